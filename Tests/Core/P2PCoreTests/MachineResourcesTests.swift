import P2PCore
import Testing

@Suite("What the machine gives a process")
struct MachineResourcesTests {
    @Test(
        "The least of the control groups counts, of either version",
        arguments: [
            ([:], nil),
            (["/proc/self/cgroup": "0::/a/b\n"], nil),
            (["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "1000\n"], 1_000),
            (["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "5000\n"], 5_000),
            (
                ["/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "2000\n", "/sys/fs/cgroup/a/memory.max": "1000\n"],
                1_000
            ),
            (
                [
                    "/proc/self/cgroup": "5:cpu,memory:/x\n3:pids:/y\n",
                    "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4096\n",
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                ], 4_096
            ),
            (["/proc/self/cgroup": "nonsense\n:::\n0::/a\n", "/sys/fs/cgroup/a/memory.max": "many\n"], nil),
        ] as [([String: String], Int?)])
    func groups(files: [String: String], limit: Int?) {
        #expect(MachineResources.groupLimit { files[$0] } == limit)
    }

    @Test("This machine has something")
    func current() {
        let machine = MachineResources.current
        #expect(machine.memory > 16 << 20 && machine.descriptors > 0)
    }
}
