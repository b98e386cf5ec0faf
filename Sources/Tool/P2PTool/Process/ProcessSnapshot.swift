import P2PCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What this process holds of the system's resources at a moment.
struct ProcessSnapshot {
    /// Open file descriptors.
    let fileDescriptors: Int
    /// Resident memory, in bytes.
    let residentBytes: Int

    /// Counts now.
    ///
    /// On glibc, pages that the allocator keeps although nothing lives in them are given back first: what is left is what
    /// is in use, so that a leak shows and a past peak doesn't. Memory that leaked is not free and stays.
    static func take() -> ProcessSnapshot {
        FreePages.giveBack()
        return self.measure()
    }

    /// Counts now, and leaves the allocator alone.
    static func measure() -> ProcessSnapshot {
        ProcessSnapshot(fileDescriptors: self.countFileDescriptors(), residentBytes: self.measureResidentBytes())
    }

    /// How near the process is to the end of those descriptors that connections may take.
    var descriptors: LimitUse {
        let reserve = DescriptorReserve.current()
        return LimitUse(
            name: "descriptors", limit: reserve.limit - reserve.kept(from: .arrival), use: self.fileDescriptors,
            peak: max(self.fileDescriptors, DescriptorReserve.peak), refusals: DescriptorReserve.refusals)
    }

    private static func countFileDescriptors() -> Int {
        #if canImport(Darwin)
            let path = "/dev/fd"
        #else
            let path = "/proc/self/fd"
        #endif
        guard let directory = opendir(path) else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        // One of them reads the directory.
        return max(0, count - 1)
    }

    private static func measureResidentBytes() -> Int {
        #if canImport(Darwin)
            var info = mach_task_basic_info()
            var count = mach_msg_type_number_t(MemoryLayout<mach_task_basic_info>.size / MemoryLayout<natural_t>.size)
            let result = withUnsafeMutablePointer(to: &info) { pointer in
                pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                    task_info(mach_task_self_, task_flavor_t(MACH_TASK_BASIC_INFO), $0, &count)
                }
            }
            return result == KERN_SUCCESS ? Int(clamping: info.resident_size) : 0
        #else
            guard let file = fopen("/proc/self/statm", "r") else { return 0 }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 256)
            guard fgets(&line, CInt(line.count), file) != nil else { return 0 }
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let fields = text.split(separator: " ")
            guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
            return pages * Int(sysconf(CInt(_SC_PAGESIZE)))
        #endif
    }
}
