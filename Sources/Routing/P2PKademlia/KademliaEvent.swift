public import P2PIdentity

/// What happens in a look-up, step by step, with the reason.
public enum KademliaEvent: Sendable {
    /// A peer is asked that lies so many steps away: 1 for one of this node's table.
    case asked(PeerID, hop: Int)
    /// A peer has answered, and named so many that nobody had named before.
    case answered(PeerID, new: Int)
    /// A peer was not reached, or its answer is none.
    case failed(PeerID, reason: String)
    /// The peer that is looked for; addresses may come bit by bit.
    case found(KademliaContact)
    /// Somebody says that they have what the key names. It may be said in vain: only a dial proves it.
    case provider(KademliaContact)
    /// A valid value that is better than those before, and who gave it.
    case value([UInt8], from: PeerID)
    /// A peer has stored what it was sent.
    case stored(PeerID)
    /// A peer has not.
    case refused(PeerID, reason: String)
    /// The peers nearest to the key lie so much nearer to it than chance would have them, as a part of what is expected, that somebody may have made them for it:
    /// what is stored goes to the region around, too.
    case crowded(part: Double)
    /// It is over.
    case finished(KademliaSummary)
}

/// What a look-up has cost, and what it has led to.
public struct KademliaSummary: Hashable, Sendable {
    /// Peers that were asked, and that were sent something to store.
    public var messages = 0
    /// Steps to the farthest of the nearest peers that answered.
    public var hops = 0
    /// Peers that did not answer as they should.
    public var failures = 0
    /// How long it took.
    public var duration = Duration.zero
    /// How many there are of what was asked for.
    public var found = 0
}

/// What came of storing something.
public struct KademliaStoring: Sendable {
    /// Who has it now, besides this node.
    public internal(set) var holders: [PeerID] = []
    /// Who has not, and why.
    public internal(set) var refusals: [(peer: PeerID, reason: String)] = []
    /// What it cost.
    public internal(set) var summary = KademliaSummary()
}

/// What telling the network of many keys has cost.
public struct KademliaSweep: Hashable, Sendable {
    /// Look-ups: some for each region of the key space that has keys.
    public internal(set) var lookups = 0
    /// Peers that were asked, and announcements that were sent.
    public internal(set) var messages = 0
    /// Keys that somebody has taken note of.
    public internal(set) var stored = 0
    /// How long it took.
    public internal(set) var duration = Duration.zero
}

/// What a table holds, and has done.
public struct KademliaStatistics: Hashable, Sendable {
    /// The network's protocol.
    public internal(set) var protocolID = ""
    /// Whether it answers others now.
    public internal(set) var isServer = false
    /// Peers in the table.
    public internal(set) var peers = 0
    /// Peers of each bucket, beginning with those that share no bit.
    public internal(set) var buckets: [Int] = []
    /// Bytes of the table, roughly.
    public internal(set) var tableBytes = 0
    /// Bytes that the table and what it keeps take up, roughly; the host's memory is charged for them.
    public internal(set) var heldBytes = 0
    /// Values that are kept.
    public internal(set) var values = 0
    /// Bytes of them and their keys.
    public internal(set) var valueBytes = 0
    /// Keys that somebody provides.
    public internal(set) var providedKeys = 0
    /// Providers over all of them.
    public internal(set) var providers = 0
    /// Keys that this node provides.
    public internal(set) var ownKeys = 0
    /// How many servers the network seems to have; nil while too little is known.
    public internal(set) var networkSize: Int?
    /// Requests that were answered.
    public internal(set) var answered = 0
    /// Requests that were refused.
    public internal(set) var refused = 0
    /// Look-ups that this node has made.
    public internal(set) var lookups = 0
    /// Peers that were asked in them.
    public internal(set) var messages = 0
}
