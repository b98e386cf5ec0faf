import P2P
import P2PCore
import P2PMultiaddr

/// Why a dial fails, for somebody who wants to have it succeed.
struct DialTrouble: Equatable {
    /// One word for scripts.
    let problem: String
    /// The step at which it failed: what is before has succeeded.
    let step: Step
    /// What to do, in plain words.
    let advice: String

    /// In the order in which a dial takes them.
    enum Step: String, CaseIterable {
        case address, policy, name, route, connect, secure, peer, `protocol`
    }

    private init(_ problem: String, _ step: Step, _ advice: String) {
        self.problem = problem
        self.step = step
        self.advice = advice
    }

    /// - Parameter address: what was dialled.
    init(_ error: DialError, at address: Multiaddr) {
        switch error.code {
        case .selfDial: self.init("self", .peer, "The address is this node's own.")
        case .peerMismatch: self = Self.wrongPeer
        case .resourceLimit: self.init("limit", .policy, "A limit of this node was reached: \(error.message)")
        default:
            if let failure = error.attempts.last?.error {
                self.init(failure, at: error.attempts.last?.address ?? address)
            } else {
                self.init("unknown", .connect, error.message)
            }
        }
    }

    /// - Parameter address: what was dialled.
    init(_ error: TransportError, at address: Multiaddr) {
        let text = Self.text(of: error).lowercased()
        switch error.code {
        case .notBuiltIn: self.init("no-transport", .address, "This node lacks what that takes: \(error.message).")
        case .unsupportedAddress, .invalidAddress:
            self.init("no-transport", .address, "This node does not speak \(address): \(error.message)")
        case .gated: self.init("policy", .policy, "This node's rules forbid it (\(error.message)); `p2p policy check` says which.")
        case .resourceLimit: self.init("limit", .policy, "A limit was reached: \(error.message)")
        case .unresolvable:
            self.init("name", .name, "The name does not resolve: check its spelling, and the name server (`--dns` asks another).")
        // What a proxy says of the peer is about the peer.
        case _ where text.contains(" proxy at ") && !text.contains("it could not connect"):
            self.init(
                "proxy", .connect,
                "The way to the peer leads through a proxy, and ended there (\(error.message)): check that it runs at that address, that its user and password are right, and that it lets this node through to the peer."
            )
        case .timedOut where text.contains("resolve") || text.contains("look-up"):
            self.init("name", .name, "The name server does not answer: try `--dns` with another one, or the IP address.")
        case .timedOut where text.contains("handshake"):
            self.init(
                "black-hole", .secure,
                "Somebody took the connection and said nothing: a firewall or a proxy that swallows packets, or no libp2p node. A smaller MTU may help."
            )
        case .timedOut: self = Self.silence(address)
        case .unreachable where text.contains("refused"):
            self.init(
                "refusal", .connect,
                "The machine is there, but nobody listens on that port: start the node there, or check the port and the address on which it listens."
            )
        case .unreachable where text.contains("did not answer"): self = Self.silence(address)
        case .unreachable:
            self.init(
                "route", .route,
                "There is no way from here to that address: check this machine's network, and whether it has IPv6 if the address is one.")
        case .protectionFailed:
            self.init(
                "private-network", .secure, "One side is in a private network, or in another one: both need the same --psk.")
        case .clocksDisagree: self.init("clock", .secure, "This machine's clock or the peer's is wrong: set them.")
        case .peerMismatch: self = Self.wrongPeer
        case .negotiationFailed:
            self.init(
                "no-protocol", .secure,
                "The two share no secure channel or muxer, or what answers is no libp2p node; try without --security and --muxer, or check the port."
            )
        case .securityFailed: self.init("security", .secure, "The handshake failed: \(error.message)")
        case .closed:
            self.init(
                "closed", .secure,
                "The peer hung up during the handshakes: it may be full, its rules may forbid us, or it is no libp2p node.")
        default: self.init("unknown", .connect, error.message)
        }
    }

    private static let wrongPeer = DialTrouble(
        "wrong-peer", .peer,
        "Another peer answers there than the one that the address names: ask for its new address, or correct the part behind /p2p/.")

    private static func silence(_ address: Multiaddr) -> DialTrouble {
        let isUDP = address.udpEndpoint != nil
        return DialTrouble(
            "silence", .connect,
            """
            Nobody answers at all: the machine is off, the address is old, or a firewall or router drops what it has not asked for. \
            \(isUDP ? "Many networks drop UDP: try a TCP address of the peer's. " : "")Run `p2p reach --explain` on the other side.
            """)
    }

    /// The error with what lies beneath.
    private static func text(of error: any CodedError) -> String {
        var text = error.message
        var cause = error.cause
        for _ in 0..<8 {
            guard let next = cause else { break }
            text += " \(next)"
            cause = (next as? any CodedError)?.cause
        }
        return text
    }
}
