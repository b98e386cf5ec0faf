/// What a peer can make this node read, keep or do for the table, by name. The figures are in `Specs/Kademlia.md`.
package enum KademliaLimits {
    // MARK: Messages

    /// The longest answer that is read, in bytes: what go, js and py read.
    package static let answerSize = 4 * 1_024 * 1_024
    /// The longest request that is read, in bytes: a record of ``valueSize`` and addresses.
    package static let requestSize = 128 * 1_024
    /// The longest answer that is sent, in bytes: rust reads no more.
    package static let sentSize = 16 * 1_024
    /// Peers for which a value has to leave room in that; where it does not, peers have ``sentSize`` for themselves, for a value without them would end the
    /// asker's look-up.
    package static let peersBesideValue = 4
    /// Peers of one list of an answer that are looked at: those beyond are not even read.
    package static let peersPerAnswer = 40
    /// Addresses of one peer that are kept.
    package static let addressesPerPeer = 16
    /// Addresses of one peer that are looked at.
    package static let addressesRead = 64
    /// The longest address that is kept, in bytes: so those of one peer take up 8 KiB at most.
    package static let addressLength = 512
    /// Addresses of one peer that are sent.
    package static let addressesSent = 8
    /// The most bytes that one peer may take up in a message; one that takes up more is left out.
    package static let peerSize = 64 * 1_024
    /// The longest key, in bytes.
    package static let keyLength = 1_024
    /// The longest key of providers, in bytes: go's limit.
    package static let providerKeyLength = 80
    /// The longest value, in bytes.
    package static let valueSize = 64 * 1_024
    /// The longest time of a record that is looked at, in bytes.
    package static let timeLength = 64

    // MARK: Streams

    /// Streams of requests that one peer may keep open.
    package static let inboundStreamsPerPeer = 32
    /// Requests that are answered at a time, over all peers; streams beyond are refused.
    package static let inboundStreams = 1_024
    /// Streams that are refused within half a minute before a connection is closed.
    package static let refusals = 2_000
    /// How long a stream may be idle, or take for one message.
    package static let streamIdleTime = Duration.seconds(60)
    /// How long a stream may be idle while more than half of ``inboundStreams`` are open.
    package static let crowdedIdleTime = Duration.seconds(10)
    /// Streams that are kept for the next request to the same peer.
    package static let keptStreams = 256

    /// Connections that a host has to allow, at least, for a table that decides by itself whether it serves: fewer, and it would close those of its members.
    package static let serverConnections = 96
    /// Bytes that its peers have to be allowed to make it hold, at least, for the same.
    package static let serverMemory = 8 * 1_024 * 1_024

    // MARK: Look-ups

    /// Peers that one look-up knows of.
    package static let candidates = 1_000
    /// How many times as many peers as usual hold what is stored at a place where peers crowd, at most.
    package static let regionFactor = 3
    /// Peers that one look-up asks.
    package static let messages = 400
    /// Checks of newcomers to the table at a time; others wait for the next time that they introduce themselves.
    package static let checks = 64
    /// Look-ups at a time that the module does for the application's sequences; others wait.
    package static let lookups = 64
    /// Look-ups that wait, those beyond are refused.
    package static let waitingLookups = 1_024
    /// Peers that are told of keys at a time while look-ups go on (optimistic provide); others wait.
    package static let announcements = 64
    /// Peers that wait to be told, those beyond are not.
    package static let waitingAnnouncements = 1_024
    /// Events of one look-up that wait for a slow reader; those beyond are dropped, the last never.
    package static let waitingEvents = 4_096

    // MARK: Stores

    /// Values that are kept for others.
    package static let values = 4_096
    /// Bytes of values that are kept for others.
    package static let valueBytes = 16 * 1_024 * 1_024
    /// Providers that are kept for one key.
    package static let providersPerKey = 64
    /// Keys for which one peer is kept as a provider.
    package static let keysPerProvider = 8_192
    /// Providers that are kept over all keys.
    package static let providers = 32_768
    /// Bytes of providers that are kept over all keys.
    package static let providerBytes = 16 * 1_024 * 1_024
    /// Values take a sixteenth of the host's memory for what peers make it hold at most, and providers as much: what that is divided by.
    package static let memoryDivisor = 16
    /// What a peer of the table counts for in the host's memory, in bytes.
    package static let entrySize = 400
    /// What a peer that a look-up knows of counts for besides its addresses, in bytes.
    package static let candidateSize = 512
    /// Peers of the table that are kept for the next start.
    package static let remembered = 256

    // MARK: Providing

    /// How many more providers than were asked for a search dials at most, to see whether they are there.
    package static let proofs = 16
}
