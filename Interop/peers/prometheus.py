"""Metrics as others read them: over HTTP, by promtool, and by a real prometheus."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from . import clock, ports
from .processes import tied

LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)')
HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


class Page:
    """A page in the text format, parsed."""

    def __init__(self, text):
        self.text = text
        self.kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
        self.samples = []
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = LINE.match(line).groups()
            self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def sum(self, name, **labels):
        """The sum of the series of that name whose labels are these and perhaps others."""
        return sum(
            value for at, known, value in self.samples if at == name and all(known.get(key) == text for key, text in labels.items())
        )

    @property
    def names(self):
        """The names that queries may use."""
        names = set()
        for name, kind in self.kinds.items():
            names |= {name + suffix for suffix in HISTOGRAM_SUFFIXES} if kind == "histogram" else {name}
        return names


def fetch(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers["Content-Type"]
        return Page(answer.read().decode())


def check(text):
    """What promtool has to say of a page: nothing, if it is good."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=30)
    return done.returncode, (done.stdout + done.stderr).decode()


def is_here():
    return shutil.which("prometheus") is not None and shutil.which("promtool") is not None


class Prometheus:
    """A real prometheus that scrapes one target every second."""

    def __init__(self, target, folder):
        self.port = ports.free_port()
        config = folder / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: p2p\n  static_configs:\n  - targets: ['{target}']\n"
        )
        self._log = open(folder / "prometheus.log", "wb")
        self._process = subprocess.Popen(
            tied(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ]
            ),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _ask(self, path, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # One that is still opening its store says so in plain text.
            if error.headers.get_content_type() != "application/json":
                raise
            return json.load(error)

    def query(self, text):
        """The value of each series that a query has, by its labels."""
        answer = self._ask("query", query=text)
        assert answer["status"] == "success", (text, answer)
        return [(item["metric"], float(item["value"][1])) for item in answer["data"]["result"]]

    def wait_for(self, text, expected, timeout=30):
        """Waits until a query has one series with that value."""
        deadline = clock.Deadline(timeout)
        seen = None
        while not deadline.is_over:
            try:
                seen = self.query(text)
                if [value for _, value in seen] == [expected]:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"{text} is {seen}, not {expected}")

    def stop(self):
        self._process.terminate()
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            self._log.close()
