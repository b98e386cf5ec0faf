/// Why an address could not be dialled or listened on, or an arrival not accepted.
public struct TransportError: CodedError {
    /// Why it failed: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name of the reason, as logs and JSON show it.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// No transport here speaks this address.
        public static let unsupportedAddress = Code("unsupportedAddress")
        /// The transport can't dial in the way that was asked for: with this role, or from this local address.
        public static let unsupportedOptions = Code("unsupportedOptions")
        /// The address is malformed, or lacks a part that is needed.
        public static let invalidAddress = Code("invalidAddress")
        /// A name did not resolve to an address.
        public static let unresolvable = Code("unresolvable")
        /// The address cannot be listened on because something else does.
        public static let addressInUse = Code("addressInUse")
        /// The address cannot be listened on because this host has no IPv6, or no IPv4: its kernel, its interfaces, or what this process may use.
        public static let familyMissing = Code("familyMissing")
        /// The host or the network refused, or is not there.
        public static let unreachable = Code("unreachable")
        /// The deadline passed before the connection was ready.
        public static let timedOut = Code("timedOut")
        /// The two sides share no security protocol or muxer, or the peer broke multistream-select.
        public static let negotiationFailed = Code("negotiationFailed")
        /// The peer did not show that it holds this private network's key.
        public static let protectionFailed = Code("protectionFailed")
        /// The environment forbids nodes on the public network, and this one has no private network's key.
        public static let privateNetworkRequired = Code("privateNetworkRequired")
        /// What the application attaches to its handshakes exceeds ``ConnectionInfo/maximumAppMetadata``.
        public static let metadataTooLong = Code("metadataTooLong")
        /// The handshake of the secure channel failed.
        public static let securityFailed = Code("securityFailed")
        /// The peer's certificate is right in everything but its dates: this machine's clock or the peer's is wrong.
        public static let clocksDisagree = Code("clocksDisagree")
        /// Another peer answered than the one that was expected.
        public static let peerMismatch = Code("peerMismatch")
        /// A limit of this node was reached.
        public static let resourceLimit = Code("resourceLimit")
        /// The ``ConnectionGater`` of this host refused the address or the peer.
        public static let gated = Code("gated")
        /// The peer, or this node, closed before the connection was ready.
        public static let closed = Code("closed")
        /// The task that asked was cancelled.
        public static let cancelled = Code("cancelled")
        /// The settings contradict themselves; the message says how.
        public static let invalidConfiguration = Code("invalidConfiguration")
        /// The part that this needs was not compiled in; the message names the package trait.
        public static let notBuiltIn = Code("notBuiltIn")
    }

    private let storage: CodedStorage<Code>

    /// Why it failed, for programs.
    public var code: Code { self.storage.code }
    /// What was tried, where it failed and what to do, for people.
    public var message: String { self.storage.message }
    /// What lies beneath, if anything.
    public var cause: (any Error)? { self.storage.cause }

    /// An error with a code, a message for people and perhaps a cause.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.storage = CodedStorage(code, message, cause)
    }
}
