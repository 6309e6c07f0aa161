"""
The benchmark of this machine: ``homing bench``.

    running.py        the order of the measures; `run` does them and returns the figures
    measures/         one thing measured a file
    installation.py   the real receiver, the real service, what its files hold
    stage.py          one real stage alone, in a process of its own
    stock.py          a store of millions of events, made through the store's own port
    load.py sink.py   who posts to the service, and who takes what it posts
    bare.py           the references: bare aiohttp server and client, bare SQLite transaction
    bodies.py         realistic events, signed
    piped.py          how those processes are told what to do

Each figure stands beside a reference taken in the same run, in turns with it: the ratio of the
two says more than either.
"""
