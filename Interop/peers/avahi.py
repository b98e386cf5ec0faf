"""avahi in a namespace, on a message bus of its own."""

import pathlib
import shutil
import subprocess
import time

from .processes import tied

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>ANONYMOUS</auth><allow_anonymous/>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/></policy>
</busconfig>
"""
CONFIGURATION = """[server]
host-name={name}
use-ipv4=yes
use-ipv6=yes
allow-interfaces=eth0
enable-dbus=yes
[publish]
publish-hinfo=no
publish-workstation=no
"""


def is_here():
    return all(shutil.which(name) for name in ("avahi-daemon", "avahi-browse", "dbus-daemon"))


class Avahi:
    def __init__(self, host, room):
        self.host = host
        room = pathlib.Path(room)
        self._socket = room / "bus"
        (room / "bus.conf").write_text(BUS.format(socket=self._socket))
        (room / "avahi.conf").write_text(CONFIGURATION.format(name="neighbour"))
        self._environment = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self._socket}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._processes = []
        try:
            self._start("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={room / 'bus.conf'}")
            self._wait(self._socket.exists)
            # Its own process file: another avahi may run on this machine.
            self._start(
                "unshare", "-m", "sh", "-c",
                "mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon"
                f" -f {room / 'avahi.conf'} --no-drop-root --no-chroot --no-rlimits",
            )  # fmt: skip
            self._wait(lambda: self.browse("_nothing._udp") is not None)
        except BaseException:
            self.stop()
            raise

    def _start(self, *command):
        self._processes.append(
            subprocess.Popen(
                tied([*self.host.inside, *command]),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    @staticmethod
    def _wait(is_done, seconds=15):
        end = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < end, "avahi did not start"
            time.sleep(0.2)

    def browse(self, service):
        """The resolved instances, as lines; None while avahi does not answer."""
        finished = subprocess.run(
            [*self.host.inside, "avahi-browse", "--terminate", "--resolve", "--parsable", service],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return finished.stdout.splitlines() if finished.returncode == 0 else None

    def stop(self):
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
