"""A py-libp2p process that is a member of a hash table and a rendezvous point."""

import itertools
import pathlib
import sys

from .processes import JSONProcess

MAIN = pathlib.Path(__file__).parent / "python_kad_main.py"


class PythonMember:
    """One py-libp2p process that is a server of the table."""

    def __init__(self):
        self._process = JSONProcess([sys.executable, MAIN], stdin=True)
        self._ids = itertools.count(1)
        ready = self._process.wait_for("ready", timeout=90)
        self.peer, self.address = ready["peer"], ready["addresses"][0]

    def do(self, name, **details):
        number = next(self._ids)
        self._process.send({"id": number, "do": name, **details})
        answer = self._process.wait_for(lambda item: item.get("id") == number, timeout=40)
        assert "error" not in answer, answer
        return answer["result"]

    def stop(self):
        self._process.stop()
