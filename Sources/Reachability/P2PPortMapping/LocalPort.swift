/// A port of this node that is to be reached from outside.
public struct LocalPort: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// What a router tells apart.
    public enum Transport: String, Hashable, Sendable {
        case tcp, udp

        /// The protocol's number in IP headers.
        var number: UInt8 { self == .tcp ? 6 : 17 }
    }

    /// TCP or UDP.
    public let transport: Transport
    /// Never 0.
    public let number: UInt16

    /// A port on which this node listens.
    public init(_ transport: Transport, _ number: UInt16) {
        self.transport = transport
        self.number = number
    }

    /// TCP before UDP, then by number, so that what is done for several ports has one order.
    public static func < (one: LocalPort, other: LocalPort) -> Bool {
        (one.transport.rawValue, one.number) < (other.transport.rawValue, other.number)
    }

    /// Such as `tcp 4001`.
    public var description: String { "\(self.transport.rawValue) \(self.number)" }
}
