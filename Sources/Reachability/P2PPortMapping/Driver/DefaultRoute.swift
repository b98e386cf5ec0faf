public import P2PMultiaddr

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// The way to the internet, as the system's table of routes has it.
public struct DefaultRoute: Hashable, Sendable {
    /// The interface, such as `eth0`.
    public let interface: String
    /// The router's address on its network.
    public let gateway: IPAddress

    /// A route that the application knows of: where it learns of changes sooner, or where this package can't read the system's table.
    public init(interface: String, gateway: IPAddress) {
        self.interface = interface
        self.gateway = gateway
    }

    /// Bytes of the table that are read: it has 128 for each route.
    private static let tableLimit = 64 * 1_024
    /// Up, and by a router (`RTF_UP`, `RTF_GATEWAY`).
    private static let flags: UInt32 = 3

    /// The default route of IPv4 with the lowest metric, as Linux has it; nil where there is none, and on other systems, which have no such
    /// table in a file.
    @Sendable public static func current() -> DefaultRoute? {
        #if os(Linux) || os(Android)
            guard let table = Self.text(of: "/proc/net/route") else { return nil }
            return DefaultRoute(table: table)
        #else
            return nil
        #endif
    }

    /// The default route of IPv6 with the lowest metric, as Linux has it; nil where there is none, and on other systems.
    @Sendable public static func currentIPv6() -> DefaultRoute? {
        #if os(Linux) || os(Android)
            guard let table = Self.text(of: "/proc/net/ipv6_route") else { return nil }
            return DefaultRoute(tableIPv6: table)
        #else
            return nil
        #endif
    }

    /// Reads the text of `/proc/net/ipv6_route`.
    init?(tableIPv6 table: String) {
        var best: (route: DefaultRoute, metric: UInt32)?
        for line in table.split(separator: "\n") {
            let columns = line.split(separator: " ", omittingEmptySubsequences: true)
            guard columns.count >= 10, columns[0].allSatisfy({ $0 == "0" }), columns[1] == "00",
                let flags = UInt32(columns[8], radix: 16), flags & Self.flags == Self.flags, columns[4].count == 32,
                let high = UInt64(columns[4].prefix(16), radix: 16), let low = UInt64(columns[4].suffix(16), radix: 16), high | low != 0,
                let metric = UInt32(columns[5], radix: 16)
            else { continue }
            let bytes = [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
            guard metric < best?.metric ?? .max, let gateway = IPAddress(bytes: bytes) else { continue }
            best = (DefaultRoute(interface: String(columns[9]), gateway: gateway), metric)
        }
        guard let best else { return nil }
        self = best.route
    }

    /// Reads the text of `/proc/net/route`.
    init?(table: String) {
        var best: (route: DefaultRoute, metric: UInt32)?
        for line in table.split(separator: "\n").dropFirst() {
            let columns = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard columns.count >= 8, columns[1] == "00000000", columns[7] == "00000000",
                let flags = UInt32(columns[3], radix: 16), flags & Self.flags == Self.flags,
                // The number is the address in network byte order, read in the host's own.
                let number = UInt32(columns[2], radix: 16), number != 0, let metric = UInt32(columns[6])
            else { continue }
            guard metric < best?.metric ?? .max else { continue }
            best = (DefaultRoute(interface: String(columns[0]), gateway: IPAddress(v4: UInt32(bigEndian: number))), metric)
        }
        guard let best else { return nil }
        self = best.route
    }

    #if os(Linux) || os(Android)
        private static func text(of path: String) -> String? {
            let file = open(path, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { return nil }
            defer { close(file) }
            var bytes: [UInt8] = []
            while bytes.count < Self.tableLimit {
                let piece = [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
                    count = buffer.baseAddress.map { max(0, read(file, $0, 4_096)) } ?? 0
                }
                guard !piece.isEmpty else { break }
                bytes += piece
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    #endif
}
