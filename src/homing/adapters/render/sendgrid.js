// SendGrid's dialect of Handlebars, and what can be known of a template without rendering it.
//
// Runs in QuickJS after handlebars.min.js. Defines one global, `homing`, with `compile` and `inspect`.
// Sources: SendGrid docs, "Using Handlebars"; sendgrid/docs#6176, #6237, #6395, #6573, #6584;
// sendgrid/email-templates#92, #98, #102, #105; sendgrid-nodejs#879.
"use strict";

var homing = (function () {
  const env = Handlebars.create();
  const { isEmpty, isArray } = env.Utils;

  // `with` renders in SendGrid's editor but not in sent mail; the others are promised nowhere.
  for (const name of ["with", "lookup", "log"]) env.unregisterHelper(name);
  env.unregisterDecorator("inline");

  // QuickJS tries a regular expression at every position even when it starts with `^`; the lexer asks
  // some forty of them for each token, which makes a 50 KB template take a minute. Sticky ones are
  // tried at the start only and match the same.
  const { lexer } = env.Parser;
  lexer.rules = lexer.rules.map((rule) => {
    const sticky = new RegExp(rule.source, "y");
    return {
      [Symbol.match](text) {
        sticky.lastIndex = 0;
        return sticky.exec(text);
      },
    };
  });

  // ---- helpers -------------------------------------------------------------------------------

  const isMissing = (value) => value === undefined || value === null || value === "";

  const isTrue = (value) => Boolean(value) && !isEmpty(value);
  const isBoolean = (value) => typeof value === "boolean" || value === "true" || value === "false";

  // 3 equals "3" and true equals "true"; beside any other value a boolean compares truth, of which
  // the docs speak there.
  function areEqual(left, right) {
    if (isBoolean(left) && isBoolean(right)) return String(left) === String(right);
    if (typeof left === "boolean" || typeof right === "boolean") return isTrue(left) === isTrue(right);
    return left == right;
  }

  const asNumber = (value) =>
    typeof value === "number" || (typeof value === "string" && value.trim() !== "") ? Number(value) : NaN;

  // Texts that are not both numbers compare as texts; nothing else has an order.
  function isGreater(left, right) {
    const [a, b] = [asNumber(left), asNumber(right)];
    if (!Number.isNaN(a) && !Number.isNaN(b)) return a > b;
    return typeof left === "string" && typeof right === "string" && left > right;
  }

  const TESTS = {
    equals: areEqual,
    notEquals: (left, right) => !areEqual(left, right),
    greaterThan: isGreater,
    lessThan: (left, right) => isGreater(right, left),
    and: (...values) => values.every(isTrue),
    or: (...values) => values.some(isTrue),
  };

  for (const [name, test] of Object.entries(TESTS)) {
    env.registerHelper(name, function (...args) {
      const options = args.pop();
      const holds = test(...args);
      if (!options.fn) return holds;
      return holds ? options.fn(this) : options.inverse(this);
    });
  }

  env.registerHelper("length", (value) =>
    typeof value === "string" ? Array.from(value).length : isArray(value) ? value.length : 0,
  );

  env.registerHelper("insert", (value, fallback) => {
    if (!isMissing(value)) return value;
    return typeof fallback === "string" ? fallback.replace(/^default=/, "") : "";
  });

  // ---- formatDate ----------------------------------------------------------------------------

  const MONTHS = [
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
  ];
  const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const TOKEN = /YYYY|YY|MMMM|MMM|MM|M|DD|D|dddd|ddd|hh|h|HH|H|mm|m|ss|s|A|ZZ|Z/g;
  const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;
  const OFFSET = /^([+-])(\d\d):?(\d\d)$/;

  const two = (number) => String(number).padStart(2, "0");

  function fail(options, message) {
    throw new env.Exception(message, { loc: options.loc });
  }

  const shown = (value) => (value === undefined ? "nothing" : JSON.stringify(value));

  // A date alone makes SendGrid drop the mail (docs#6395), so it fails here too.
  function instantOf(value, options) {
    let instant = NaN;
    if (typeof value === "number" || (typeof value === "string" && /^-?\d+$/.test(value))) {
      const epoch = Number(value);
      // The docs say "epoch" without a unit: past the year 5138 in seconds it can only be milliseconds.
      instant = Math.abs(epoch) < 1e11 ? epoch * 1000 : epoch;
    } else if (typeof value === "string" && TIMESTAMP.test(value)) {
      instant = Date.parse(value.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
    }
    if (Number.isNaN(new Date(instant).getTime())) {
      fail(options, `formatDate needs an epoch or a full ISO 8601 timestamp such as ` +
        `"2020-12-04T00:00:00.000Z", got ${shown(value)}: SendGrid drops such a mail`);
    }
    return instant;
  }

  // An unquoted -0800 reaches us as the number -800.
  function offsetMinutes(value, options) {
    if (isMissing(value)) return 0;
    const text = typeof value === "number"
      ? (value < 0 ? "-" : "+") + String(Math.abs(value)).padStart(4, "0")
      : String(value);
    const found = OFFSET.exec(text);
    if (!found) fail(options, `formatDate needs an offset such as "-0800", got ${shown(value)}`);
    return (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3]));
  }

  function parts(instant, minutes) {
    const local = new Date(instant + minutes * 60000);
    const [month, day] = [local.getUTCMonth(), local.getUTCDate()];
    const [weekday, hour] = [DAYS[local.getUTCDay()], local.getUTCHours()];
    const sign = minutes < 0 ? "-" : "+";
    const [zoneHours, zoneMinutes] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map(two);
    const twelve = hour % 12 || 12;
    const year = String(local.getUTCFullYear()).padStart(4, "0");
    return {
      YYYY: year, YY: year.slice(-2),
      MMMM: MONTHS[month], MMM: MONTHS[month].slice(0, 3), MM: two(month + 1), M: month + 1,
      DD: two(day), D: day, dddd: weekday, ddd: weekday.slice(0, 3),
      hh: two(twelve), h: twelve, HH: two(hour), H: hour, A: hour < 12 ? "AM" : "PM",
      mm: two(local.getUTCMinutes()), m: local.getUTCMinutes(),
      ss: two(local.getUTCSeconds()), s: local.getUTCSeconds(),
      ZZ: sign + zoneHours + zoneMinutes, Z: sign + zoneHours + ":" + zoneMinutes,
    };
  }

  env.registerHelper("formatDate", (...args) => {
    const options = args.pop();
    const [value, format, offset] = args;
    if (typeof format !== "string") fail(options, `formatDate needs a format, got ${shown(format)}`);
    const values = parts(instantOf(value, options), offsetMinutes(offset, options));
    return format.replace(TOKEN, (token) => values[token]);
  });

  // ---- what a template may say ---------------------------------------------------------------

  const own = (object, key) => Object.prototype.hasOwnProperty.call(object, key);

  // How many arguments each helper takes, at least and at most.
  const ARITY = {
    if: [1, 1], unless: [1, 1], each: [1, 1],
    equals: [2, 2], notEquals: [2, 2], greaterThan: [2, 2], lessThan: [2, 2],
    and: [2, Infinity], or: [2, Infinity],
    length: [1, 1], insert: [1, 2], formatDate: [2, 3],
  };
  const INLINE = ["length", "insert", "formatDate"];
  const ABSENT = {
    with: "{{#with}} works in SendGrid's editor but not in sent mail: write full paths",
    lookup: "SendGrid has no lookup helper",
    log: "SendGrid has no log helper",
  };

  const isBare = (path, name) =>
    path.type === "PathExpression" && !path.data && path.depth === 0 && path.parts.length === 1 &&
    path.original === (name === undefined ? path.parts[0] : name);

  // How much a template needs what it reads: "optional" is only asked for, or has a default;
  // "conditional" shows only where something else holds.
  const [OPTIONAL, CONDITIONAL, REQUIRED] = [0, 1, 2];
  const NEED_OF = {
    if: OPTIONAL, unless: OPTIONAL, and: OPTIONAL, or: OPTIONAL, length: OPTIONAL,
    equals: CONDITIONAL, notEquals: CONDITIONAL, greaterThan: CONDITIONAL, lessThan: CONDITIONAL,
  };

  // Helpers in whose block what they were asked about is there; in that of the others it may not be.
  const GIVES = ["if", "and", "equals", "each"];

  const isBeneath = (path, above) =>
    path === above || path.startsWith(above + ".") || path.startsWith(above + "[]");

  const isCall = (node) => node.params.length > 0 || Boolean(node.hash);

  // The helper a node calls, or null when it reads a variable.
  function helperOf(node, isBlock) {
    const bare = isBare(node.path);
    const name = bare ? node.path.parts[0] : node.path.original;
    if (bare && own(ARITY, name)) return name;
    if (isCall(node) || node.type === "SubExpression") return String(name);
    return isBlock && bare && own(ABSENT, name) ? name : null;
  }

  // SendGrid's docs long wrote {{#greaterThan 0 length items}} for "has items" (corrected in docs#6176
  // to `(length items) 0`). Both render as documented.
  function groupBareLength(node, helper) {
    const at = node.params.findIndex((param) => isBare(param, "length"));
    if (!(helper in TESTS) || node.params.length !== 3 || at === -1 || at > 1) return false;
    const length = {
      type: "SubExpression", path: node.params[at], params: [node.params[at + 1]], loc: node.loc,
    };
    const other = node.params[at === 0 ? 2 : 0];
    node.params = [length, other];
    return true;
  }

  // ---- the walk ------------------------------------------------------------------------------

  // One pass over the syntax tree. A scope is the path of the current context from the root:
  // "" at the root, "items[]" in {{#each items}}, null where it cannot be known.
  class Walk {
    constructor(isSubject) {
      this.isSubject = isSubject;
      this.reads = new Set();
      this.needs = new Map();
      this.guards = [];
      this.problems = [];
      this.warnings = [];
      this.scopes = [""];
      this.names = [];
      this.warnedOfPreview = false;
    }

    problem(node, text) { this.problems.push({ line: node.loc.start.line, text }); }

    warn(node, text) { this.warnings.push({ line: node.loc.start.line, text }); }

    program(program) { if (program) program.body.forEach((node) => this.statement(node)); }

    statement(node) {
      switch (node.type) {
        case "MustacheStatement": return this.mustache(node);
        case "BlockStatement": return this.block(node);
        case "PartialStatement": case "PartialBlockStatement":
          return this.problem(node, "SendGrid has no partials ({{> …}})");
        case "Decorator": case "DecoratorBlock":
          return this.problem(node, "SendGrid has no decorators ({{* …}})");
      }
    }

    mustache(node) {
      this.warnOfEscaping(node, node.path.original);
      const helper = helperOf(node, false);
      if (helper !== null) return this.call(node, helper, false);
      if (isBare(node.path, "date") && !this.names.some((names) => names.date !== undefined)) {
        this.warn(node, "an undocumented helper of SendGrid's hides {{date}}: write {{this.date}}");
      }
      this.read(node.path);
    }

    // A subject is text, but SendGrid escapes it as HTML.
    warnOfEscaping(node, name) {
      if (this.isSubject && node.escaped) {
        this.warn(node, `' " & in {{${name}}} reach the subject as HTML entities: write {{{${name}}}}`);
      } else if (!this.isSubject && !node.escaped) {
        this.warn(node, `{{{${name}}}} is not HTML-escaped: only for values you trust`);
      }
    }

    call(node, helper, isBlock, most = REQUIRED) {
      if (groupBareLength(node, helper)) {
        this.warn(node, `a bare "length" is ambiguous: write {{#greaterThan (length items) 0}}`);
      }
      this.checkCall(node, helper, isBlock);
      const need = Math.min(most, this.needOf(node, helper));
      node.params.forEach((param) => this.argument(param, need));
      if (node.hash) node.hash.pairs.forEach((pair) => this.argument(pair.value, need));
    }

    needOf(node, helper) {
      if (helper === "each" && node.inverse) return OPTIONAL;
      if (helper === "insert" && node.params.length > 1) return OPTIONAL;
      return own(NEED_OF, helper) ? NEED_OF[helper] : REQUIRED;
    }

    checkCall(node, helper, isBlock) {
      if (own(ABSENT, helper)) return this.problem(node, ABSENT[helper]);
      if (!own(ARITY, helper)) {
        const known = Object.keys(ARITY).join(", ");
        return this.problem(node, `there is no helper "${helper}"; SendGrid has ${known}`);
      }
      const [least, most] = ARITY[helper];
      const given = node.params.length;
      if (given < least || given > most) {
        const range = most === Infinity ? `at least ${least}` : `${least} to ${most}`;
        const wanted = least === most ? least : range;
        return this.problem(node, `${helper} takes ${wanted} argument${most === 1 ? "" : "s"}, got ${given}`);
      }
      if (isBlock && INLINE.includes(helper)) return this.problem(node, `${helper} is not a block helper`);
      this.warnOfCall(node, helper, isBlock);
    }

    warnOfCall(node, helper, isBlock) {
      if (!own(TESTS, helper)) return;
      if (!isBlock) this.warn(node, `SendGrid documents ${helper} as a block only: write {{#${helper} …}}`);
      if (node.params.length > 2) this.warn(node, `SendGrid documents ${helper} with two arguments`);
    }

    argument(node, need) {
      if (node.type === "PathExpression") return this.read(node, need);
      if (node.type === "SubExpression") return this.call(node, helperOf(node, false), false, need);
    }

    block(node) {
      const helper = helperOf(node, true);
      const inner = this.innerScope(node, helper);
      if (helper !== null) this.call(node, helper, true);
      else this.section(node);
      const before = this.reads.size;
      const asked = this.askedOf(node, helper);
      const gives = helper === null || GIVES.includes(helper);
      this.guarded(gives ? asked : null, helper, () => this.inside(node.program, helper, inner));
      if (own(TESTS, helper) && this.reads.size > before) this.warnOfPreview(node, helper);
      this.guarded(helper === "unless" ? asked : null, helper, () => this.program(node.inverse));
    }

    // What a block asks about, as paths.
    askedOf(node, helper) {
      const asked = helper === null ? [node.path] : node.params;
      const paths = asked.filter((one) => one.type === "PathExpression").map((one) => this.resolve(one));
      return paths.filter((path) => path);
    }

    // *given* is there inside; null: it shows only where something else holds.
    guarded(given, helper, walk) {
      this.guards.push({ given, isList: helper === "each" && given !== null });
      walk();
      this.guards.pop();
    }

    section(node) {
      this.warn(node, `SendGrid does not document {{#${node.path.original}}}: use {{#if}} or {{#each}}`);
      this.read(node.path, OPTIONAL);
    }

    warnOfPreview(node, helper) {
      if (this.warnedOfPreview) return;
      this.warnedOfPreview = true;
      this.warn(node, `SendGrid's editor may show names inside {{#${helper}}} as empty ` +
        `(sent mail does not): @root.name works in both`);
    }

    inside(program, helper, inner) {
      if (!program) return;
      const names = program.blockParams || [];
      const moves = inner !== undefined;
      if (moves) this.scopes.push(inner);
      // A name of `as |item i|` stands for the element; the second is its index and reads nothing.
      this.names.push(Object.fromEntries(names.map((name, i) => [name, i === 0 && moves ? inner : null])));
      this.program(program);
      this.names.pop();
      if (moves) this.scopes.pop();
    }

    // The context inside a block; undefined when the block does not change it.
    innerScope(node, helper) {
      const subject = helper === null ? node.path : node.params[0];
      if (helper !== null && helper !== "each" && helper !== "with") return undefined;
      if (!subject || subject.type !== "PathExpression") return null;
      const path = this.resolve(subject);
      if (path === null) return null;
      return helper === "with" ? path : path + "[]";
    }

    read(path, need = REQUIRED) {
      if (path.depth > 0) {
        this.warn(path, `the depth of ${path.original} differs between SendGrid's editor and sent mail: ` +
          "use @root");
      }
      const found = this.resolve(path);
      if (!found) return;
      this.reads.add(found);
      if (need !== OPTIONAL) this.need(found, need, path.loc.start.line);
    }

    need(path, need, line) {
      const given = new Set();
      let isConditional = need === CONDITIONAL;
      for (const guard of this.guards) {
        if (guard.given === null) isConditional = true;
        for (const above of guard.given || []) {
          if (isBeneath(path, above)) given.add(above);
          // a list is taken to have elements
          else if (!guard.isList) {
            given.add(above);
            isConditional = true;
          }
        }
      }
      const found = { path, is_conditional: isConditional, given: [...given], line };
      const key = JSON.stringify([path, isConditional, found.given]);
      if (!this.needs.has(key)) this.needs.set(key, found);
    }

    // A path from the root, as "a.b" or "items[].name"; null when it reads nothing of the data.
    resolve(path) {
      if (path.type !== "PathExpression") return String(path.original);
      if (path.data) return path.parts[0] === "root" ? path.parts.slice(1).join(".") : null;
      const [first, ...rest] = path.parts;
      const scoped = /^(\.|this\b)/.test(path.original);
      const named = scoped ? undefined : this.names.findLast((names) => own(names, first));
      if (named) return this.join(named[first], rest);
      return this.join(this.scopes[this.scopes.length - 1 - path.depth], path.parts);
    }

    join(scope, steps) {
      if (scope === null || scope === undefined) return null;
      return [scope, ...steps].filter((step) => step !== "").join(".");
    }
  }

  function walked(ast, isSubject) {
    const walk = new Walk(isSubject);
    walk.program(ast);
    return walk;
  }

  // ---- entry points --------------------------------------------------------------------------

  // One string crosses to Python. There NUL would end it, half a surrogate pair would not decode, and
  // the engine's ropes (how it holds a long concatenation) are not known: `join` makes it one piece.
  const clean = (text) => text.toWellFormed().split("\0").join("\uFFFD");

  return {
    // A function from data (JSON text) to output. Throws what `problems` would list.
    compile(template, escape, maxOutput) {
      const ast = env.parse(template);
      const [problem] = walked(ast, false).problems;
      if (problem) throw new Error(`${problem.text} - ${problem.line}:0`);
      // Not env.compile: that one puts the work off until the first render, and its time limit.
      const spec = new Function("return " + env.precompile(ast, { noEscape: !escape }));
      const render = env.template(spec());
      return (data) => {
        const text = render(JSON.parse(data));
        if (text.length > maxOutput) throw new Error(`the output is longer than ${maxOutput} characters`);
        return clean(text);
      };
    },

    // {reads, needs, problems, warnings} as JSON text.
    inspect(template, isSubject) {
      const { reads, needs, problems, warnings } = walked(env.parse(template), isSubject);
      return clean(
        JSON.stringify({ reads: [...reads], needs: [...needs.values()], problems, warnings }),
      );
    },
  };
})();
