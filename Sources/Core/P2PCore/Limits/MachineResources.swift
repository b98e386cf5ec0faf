#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the machine, or the container, gives a process; limits are derived from it.
public struct MachineResources: Sendable, Hashable {
    /// Memory in bytes: what the machine has, or what the process's control group may use where that is less.
    public var memory: Int
    /// File descriptors that the process may have at most (the hard limit).
    public var descriptors: Int

    /// A machine with these.
    public init(memory: Int, descriptors: Int) {
        self.memory = memory
        self.descriptors = descriptors
    }

    /// What this process has. Measured once.
    public static let current: MachineResources = {
        let (machine, overflow) = sysconf(CInt(_SC_PHYS_PAGES)).multipliedReportingOverflow(by: sysconf(CInt(_SC_PAGESIZE)))
        let group = Self.groupLimit { Self.contents(of: $0) }
        return MachineResources(memory: min(overflow ? .max : max(machine, 0), group ?? .max), descriptors: Self.hardLimit)
    }()

    /// What the control group of the process, and those around it, may use: the least of them; nil where nothing says so.
    ///
    /// - Parameter read: the contents of a file, nil when there is none (cgroup version 2: `memory.max`; version 1: `memory.limit_in_bytes`).
    package static func groupLimit(_ read: (_ path: String) -> String?) -> Int? {
        guard let groups = read("/proc/self/cgroup") else { return nil }
        var limits: [Int] = []
        for line in groups.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isSecond = fields[0] == "0" && fields[1].isEmpty
            guard isSecond || fields[1].split(separator: ",").contains("memory") else { continue }
            let (root, file) = isSecond ? ("/sys/fs/cgroup", "memory.max") : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            var names = fields[2].split(separator: "/")
            while true {
                let folder = names.reduce(root) { $0 + "/" + $1 }
                // "max", and version 1's number beyond all machines, are no limits.
                if let text = read("\(folder)/\(file)"), let limit = Int(text.prefix { !$0.isWhitespace }), limit > 0, limit < 1 << 60 {
                    limits.append(limit)
                }
                if names.popLast() == nil { break }
            }
        }
        return limits.min()
    }

    private static var hardLimit: Int {
        DescriptorReserve.limitsOfProcess.map { Int(clamping: $0.rlim_max) } ?? 256
    }

    private static func contents(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
