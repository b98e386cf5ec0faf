/// What a rendezvous point takes and gives at most, by name (rendezvous spec; rust-libp2p's figures where the spec has none).
package enum RendezvousLimits {
    /// The longest answer, in bytes: rust's limit for a message.
    package static let messageSize = 1_024 * 1_024
    /// The longest request that a rendezvous point reads, in bytes: a record and a namespace of the greatest length, and room to spare.
    package static let requestSize = 16 * 1_024
    /// The longest namespace, in bytes.
    package static let namespaceLength = 255
    /// The longest signed record, in bytes.
    package static let recordSize = 8 * 1_024
    /// The longest cookie that is looked at, in bytes: a number and a namespace.
    package static let cookieLength = 8 + Self.namespaceLength
    /// How long a registration holds that does not say so.
    package static let defaultTimeToLive = Duration.seconds(2 * 3_600)
    /// The shortest time that is taken.
    package static let shortestTimeToLive = Duration.seconds(60)
    /// The longest time that is taken.
    package static let longestTimeToLive = Duration.seconds(72 * 3_600)
    /// Registrations of one peer.
    package static let registrationsPerPeer = 32
    /// Registrations of all.
    package static let registrations = 10_000
    /// Registrations in one answer.
    package static let registrationsPerAnswer = 1_000
    /// Answers that are asked for one right after the other, at most: as many as all registrations take up.
    package static let pagesPerRound = Self.registrations / Self.registrationsPerAnswer
    /// Streams that one peer may keep open.
    package static let inboundStreamsPerPeer = 8
    /// Streams that are refused within half a minute before a connection is closed.
    package static let refusals = 500
    /// What an exchange may take.
    package static let timeout = Duration.seconds(10)
}
