/// What identify accepts and sends at most (identify spec; the figures are those of the network's large implementations).
package enum IdentifyLimits {
    /// The longest message that is accepted, in bytes.
    package static let receivedMessageSize = 8 * 1_024
    /// Messages that are accepted and merged before the peer's half-close.
    package static let receivedMessages = 10
    /// The longest message that is sent, length prefix included, in bytes: others accept no more.
    package static let sentMessageSize = 4 * 1_024
    /// Entries of a list that are looked at; those beyond are ignored.
    package static let entries = 1_024
    /// Addresses of a peer that are kept; those beyond are ignored.
    package static let addresses = 128
    /// Protocols of a peer that are kept; those beyond are ignored.
    package static let protocols = 256
    /// The longest agent or protocol version that is kept or sent, in bytes; the rest is cut off.
    package static let versionLength = 128
    /// How long an exchange may take.
    package static let timeout = Duration.seconds(5)
    /// Identify streams that one peer may keep open to be answered on.
    package static let inboundStreamsPerPeer = 4
    /// Push streams that one peer may keep open.
    package static let inboundPushesPerPeer = 2
    /// Pushes that a peer may make in a row.
    package static let pushBurst = 8
    /// How long it takes until a peer may make one more.
    package static let pushInterval = Duration.seconds(5)
    /// Streams that are refused within half a minute before a connection is closed; an eager peer is far from it.
    package static let refusals = 200
    /// Pushes that are sent at a time.
    package static let concurrentPushes = 32
    /// Peers whose newest record and whose pushes are remembered; the oldest is forgotten first.
    package static let rememberedPeers = 4_096
}
