import CAllocationCounter

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One line per figure: what, how much, and what it is made of.
func report(_ name: String, _ value: Double, _ unit: String, _ remark: String = "") {
    let digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let rounded = (value * scale).rounded() / scale
    let number = digits == 0 ? String(Int(rounded)) : String(rounded)
    print("\(name.padded(to: 44)) \(number.padded(to: 10, left: true)) \(unit.padded(to: 12)) \(remark)")
    flushOutput()
}

/// For whoever reads from a pipe.
func flushOutput() { fflush(nil) }

extension String {
    fileprivate func padded(to width: Int, left: Bool = false) -> String {
        let padding = String(repeating: " ", count: max(0, width - self.count))
        return left ? padding + self : self + padding
    }
}

extension Duration {
    var seconds: Double {
        Double(self.components.seconds) + Double(self.components.attoseconds) / 1e18
    }
}

/// Bytes of this process that are in memory.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}

/// Seconds of processor time that this process has used.
func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

/// What a process at rest takes: the mean of some seconds.
struct Settled {
    /// Bytes in memory.
    let bytes: Int
    /// Bytes that are allocated: without what lies free between them.
    let allocated: Int
    /// Processor seconds in a second.
    let processor: Double

    init(seconds: Int) async throws {
        let samples = seconds * 10
        try await Task.sleep(for: .seconds(1))
        allocation_trim()
        let started = (ContinuousClock.now, processorSeconds())
        var sum = 0
        for _ in 0..<samples {
            try await Task.sleep(for: .milliseconds(100))
            sum += residentBytes()
        }
        self.bytes = sum / samples
        self.allocated = Int(allocation_in_use())
        self.processor = (processorSeconds() - started.1) / ((ContinuousClock.now - started.0) / .seconds(1))
    }
}
