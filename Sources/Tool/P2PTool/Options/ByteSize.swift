import ArgumentParser

/// A number of bytes on the command line, such as `4096`, `256MiB` or `1GB`.
struct ByteSize: ExpressibleByArgument, Equatable {
    private static let units: [(name: String, size: UInt64)] = [
        ("", 1), ("b", 1), ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40), ("kb", 1_000), ("mb", 1_000_000),
        ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
    ]

    let bytes: UInt64

    init(_ bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let name = argument.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let number = UInt64(digits), let unit = Self.units.first(where: { $0.name == name }) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.size)
        guard !overflow else { return nil }
        self.bytes = bytes
    }

    var defaultValueDescription: String { "\(self.bytes)" }

    /// Parts that differ by one byte at most and add up to the whole.
    func split(into parts: Int) -> [UInt64] {
        let count = UInt64(max(1, parts))
        return (0..<count).map { self.bytes / count + ($0 < self.bytes % count ? 1 : 0) }
    }
}
