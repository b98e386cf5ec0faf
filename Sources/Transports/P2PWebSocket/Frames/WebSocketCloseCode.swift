/// Why a WebSocket is closed (RFC 6455, section 7.4).
package struct WebSocketCloseCode: Hashable, Sendable, CustomStringConvertible {
    package let number: UInt16

    init(number: UInt16) { self.number = number }

    static let normal = Self(number: 1_000)
    static let protocolError = Self(number: 1_002)
    static let unsupportedData = Self(number: 1_003)
    static let invalidPayload = Self(number: 1_007)
    static let policyViolation = Self(number: 1_008)

    package var description: String { String(self.number) }

    /// Whether a close frame may carry it: those of the RFC and of its registry, libraries' and applications' own.
    package var mayBeSent: Bool {
        switch self.number {
        case 1_000...1_003, 1_007...1_014, 3_000...4_999: true
        default: false
        }
    }
}
