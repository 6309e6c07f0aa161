import asyncio
import os
import socket
import subprocess
import sys

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from homing.processes.children import WORD_BYTES, Parent, Word, spell, spelled

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture
def line():
    """The two ends of a status socket: ours as the supervisor, theirs by its number."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0)
    with ours:
        yield ours, theirs.detach()


def heard(ours: socket.socket) -> list[tuple[Word, str] | None]:
    words = []
    while True:
        try:
            words.append(spelled(ours.recv(WORD_BYTES)))
        except BlockingIOError:
            return words


class TestSpell:
    @given(word=st.sampled_from(Word), text=st.text(max_size=200))
    def test_what_is_spelled_is_read_back(self, word, text):
        """
        Any text survives, up to what no encoding can hold.
        """
        sayable = text.encode(errors="replace").decode()

        assert (word, sayable) == spelled(spell(word, text))

    def test_a_huge_text_is_cut_to_one_message(self):
        """
        The supervisor reads messages of a fixed size.
        """
        assert WORD_BYTES == len(spell(Word.STATUS, "ü" * 100_000))

    @given(st.binary(max_size=300))
    def test_no_bytes_confuse_the_reader(self, message):
        """
        A message is a word of ours or nothing.
        """
        word = spelled(message)

        assert word is None or isinstance(word[0], Word)


class TestParent:
    def test_each_word_reaches_the_supervisor(self, line):
        """
        In the order they were said, each on one line.
        """
        ours, fd = line
        parent = Parent({"status": fd})

        parent.tick()
        parent.ready()
        parent.status("3 due,\n 2 late")
        parent.reloaded()
        parent.reload_failed("homing.toml:\n\tno [store]")
        parent.stopping()

        assert [
            (Word.TICK, ""),
            (Word.READY, ""),
            (Word.STATUS, "3 due, 2 late"),
            (Word.RELOADED, ""),
            (Word.RELOAD_FAILED, "homing.toml: no [store]"),
            (Word.STOPPING, ""),
        ] == heard(ours)
        parent.close()

    def test_a_word_that_finds_no_room_is_kept_and_a_tick_is_not(self, line):
        """
        A supervisor that sleeps learns later what matters, and nobody waits for it.
        """
        ours, fd = line
        parent = Parent({"status": fd})
        for _ in range(5000):
            parent.tick()
        ticks = len(heard(ours))
        assert 0 < ticks < 5000
        for _ in range(5000):
            parent.tick()
        parent.ready()

        assert Word.READY not in {word for word, _ in heard(ours)}
        parent.tick()

        assert [(Word.READY, ""), (Word.TICK, "")] == heard(ours)
        parent.close()

    def test_without_a_supervisor_it_does_nothing(self):
        """
        The same code runs in one process, in tests and by hand.
        """
        environ = {"HOME": "/"}

        parent = Parent.from_environment(environ)

        parent.ready()
        parent.tick()
        parent.watch(asyncio.new_event_loop)
        assert not parent.ask_reload()
        assert (False, None, {"HOME": "/"}) == (parent.supervised, parent.take("public"), environ)

    def test_it_hands_over_each_socket_once(self, line):
        """
        Non-blocking, and not to be inherited further by accident.
        """
        _, status = line
        listening = socket.create_server(("127.0.0.1", 0))
        os.set_inheritable(listening.fileno(), True)
        environ = {"HOMING_FDS": f"public={listening.detach()},status={status}"}
        parent = Parent.from_environment(environ)

        with parent.take("public") as public:
            assert (False, 0.0) == (public.get_inheritable(), public.gettimeout())

        assert parent.supervised
        assert parent.take("public") is None
        assert {} == environ
        parent.close()

    def test_words_to_a_supervisor_that_is_gone_are_no_error(self, line):
        """
        The end is told by `watch`, not by whatever was about to be said.
        """
        ours, fd = line
        parent = Parent({"status": fd})
        ours.close()

        parent.ready()
        parent.tick()

        parent.close()

    @pytest.mark.parametrize("loop_factory", LOOPS)
    def test_it_tells_when_the_supervisor_is_gone(self, line, loop_factory):
        """
        End of file on the status socket, seen by the event loop.
        """
        ours, fd = line
        parent = Parent({"status": fd})

        async def wait_for_the_end() -> None:
            lost = asyncio.Event()
            parent.watch(asyncio.get_running_loop(), lost.set)
            ours.close()
            async with asyncio.timeout(5):
                await lost.wait()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(wait_for_the_end())
        parent.close()

    def test_by_default_the_child_ends_with_it(self, line):
        """
        Exit 70, at once, also where the kernel sends no signal.
        """
        ours, fd = line
        script = (
            "import asyncio\n"
            "from homing.processes.children import Parent\n"
            "async def main():\n"
            f"    parent = Parent({{'status': {fd}}})\n"
            "    parent.watch(asyncio.get_running_loop())\n"
            "    parent.ready()\n"
            "    await asyncio.Event().wait()\n"
            "asyncio.run(main())"
        )
        ours.settimeout(10)
        with subprocess.Popen((sys.executable, "-c", script), pass_fds=(fd,)) as child:
            os.close(fd)
            assert b"READY" == ours.recv(WORD_BYTES)

            ours.close()

            assert 70 == child.wait(timeout=10)

    def test_a_child_of_a_supervisor_that_died_before_ends_at_once(self):
        """
        Its parent is somebody else by then.
        """
        script = "from homing.processes.children import Parent; Parent.from_environment(); print(1)"

        done = subprocess.run(
            (sys.executable, "-c", script),
            env={**os.environ, "HOMING_SUPERVISOR": "1", "HOMING_FDS": ""},
            capture_output=True,
            check=False,
        )

        assert (70, b"") == (done.returncode, done.stdout)
