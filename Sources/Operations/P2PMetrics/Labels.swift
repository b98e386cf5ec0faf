import P2PCore
import P2PMultiaddr

/// What labels may say. Every one is of a closed set, so that no peer can make a series.
enum Labels {
    static let inbound = "inbound"
    static let outbound = "outbound"
    static let success = "success"
    static let failure = "failure"
    /// What has no name of its own in its set.
    static let other = "other"
    /// The reason where there is none.
    static let none = "none"

    static func direction(isInbound: Bool) -> String { isInbound ? self.inbound : self.outbound }

    // MARK: Transports

    static let transports = ["tcp", "ws", "wss", "quic", "memory", "relay", Labels.other]

    /// The transport of an address: its outermost protocol that is one.
    static func transport(_ address: Multiaddr) -> String {
        var isSecure = false
        var found = self.other
        for component in address.components {
            switch component.protocol {
            case .p2pCircuit: return "relay"
            case .tcp: found = "tcp"
            case .tls: isSecure = true
            case .ws: found = isSecure ? "wss" : "ws"
            case .wss: found = "wss"
            case .quic, .quicV1: found = "quic"
            case .memory: found = "memory"
            default: break
            }
        }
        return found
    }

    // MARK: Protocols below the streams

    static let securities: Set<String> = ["noise", "tls", "plaintext", "memory", "world"]
    static let muxers: Set<String> = ["yamux", "mplex", "quic", "quic-v1", "memory", "world"]

    static func security(_ protocolID: ProtocolID) -> String { self.family(protocolID, of: self.securities) }
    static func muxer(_ protocolID: ProtocolID) -> String { self.family(protocolID, of: self.muxers) }

    /// `/yamux/1.0.0` is `yamux`.
    private static func family(_ protocolID: ProtocolID, of known: Set<String>) -> String {
        guard let name = protocolID.name.split(separator: "/").first else { return self.other }
        return known.contains(String(name)) ? String(name) : self.other
    }

    // MARK: Reasons

    private static let transportCodes: [TransportError.Code] = [
        .unsupportedAddress, .unsupportedOptions, .invalidAddress, .unresolvable, .addressInUse, .familyMissing, .unreachable, .timedOut,
        .negotiationFailed, .protectionFailed, .privateNetworkRequired, .metadataTooLong, .securityFailed, .clocksDisagree, .peerMismatch,
        .resourceLimit, .gated, .closed, .cancelled, .invalidConfiguration, .notBuiltIn,
    ]
    private static let dialCodes: [DialError.Code] = [
        .allAddressesFailed, .noAddresses, .peerRequired, .selfDial, .peerMismatch, .timedOut, .cancelled, .notRunning, .resourceLimit,
    ]
    private static let connectionCodes: [ConnectionError.Code] = [
        .closed, .closedByPeer, .lost, .keepAliveTimedOut, .protocolViolation, .resourceLimit, .goingAway, .streamIDsExhausted, .cancelled,
    ]
    private static let streamCodes: [StreamError.Code] = [
        .busy, .cancelled, .reset, .finished, .stoppedReading, .connectionLost, .protocolNotSupported, .invalidProtocol, .negotiationFailed,
        .messageTooLarge, .malformed, .unexpectedEnd, .resourceLimit, .timedOut, .rateLimited, .gated,
    ]
    /// Every reason that there is.
    static let reasons: Set<String> = Set(
        Self.transportCodes.map(\.description) + Self.dialCodes.map(\.description) + Self.connectionCodes.map(\.description)
            + Self.streamCodes.map(\.description)
    ).union([Labels.none, Labels.other])

    /// Why work failed: the error's code, where it is one of this package's own.
    static func reason(_ error: any Error) -> String {
        let code =
            switch error {
            case let error as TransportError: error.code.description
            case let error as DialError: error.code.description
            case let error as ConnectionError: error.code.description
            case let error as StreamError: error.code.description
            case is LimitError: "resourceLimit"
            case is CancellationError: "cancelled"
            default: self.other
            }
        return self.reasons.contains(code) ? code : self.other
    }

    static func step(_ step: UpgradeStep) -> String {
        switch step {
        case .connecting: "connect"
        case .preparing: "prepare"
        case .agreeingOnSecurity: "agree_security"
        case .securing: "secure"
        case .agreeingOnMuxer: "agree_muxer"
        }
    }
}
