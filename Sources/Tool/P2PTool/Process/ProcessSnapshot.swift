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
        ProcessSnapshot(fileDescriptors: self.countFileDescriptors(), residentBytes: ResidentMemory.bytes)
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
}
