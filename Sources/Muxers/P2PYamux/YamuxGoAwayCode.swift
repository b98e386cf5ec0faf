import P2PCore

/// Why a session ends (yamux spec, "Go Away"). Open: peers may send codes of their own.
package struct YamuxGoAwayCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Nothing is wrong; streams that exist go on.
    package static let normal = YamuxGoAwayCode(rawValue: 0)
    /// The receiver of this code broke the rules.
    package static let protocolError = YamuxGoAwayCode(rawValue: 1)
    /// The sender of this code has a problem of its own.
    package static let internalError = YamuxGoAwayCode(rawValue: 2)

    /// What a closing connection says; codes that only newer peers read are not sent.
    init(_ code: ConnectionErrorCode) {
        self = code == .protocolViolation ? .protocolError : .normal
    }
}
