public import P2PMultiaddr

/// Where a table keeps what is to outlast the process: who was in it, and what it kept for others.
///
/// What comes back is looked at and not trusted: peers are asked before they are in the table again, values are validated, and time goes on meanwhile.
/// A change is made even when the task that asks for it has been cancelled. What can't be written is lost, and the node goes on.
public protocol KademliaArchive: Sendable {
    /// What was kept; nothing when there is nothing, or it can't be read.
    func load() async -> KademliaHoldings
    /// Keeps what has changed.
    func save(_ changes: KademliaChanges) async
}

/// What a table has kept.
public struct KademliaHoldings: Sendable {
    /// A value, for others or its own.
    public struct Value: Hashable, Sendable {
        /// The value under its key.
        public var record: KademliaRecord
        /// Whether this node has put it, and puts it again.
        public var isOwn: Bool
        /// When its time is over, in seconds since 1970.
        public var end: Int64

        /// A value and what goes with it.
        public init(record: KademliaRecord, isOwn: Bool, end: Int64) {
            self.record = record
            self.isOwn = isOwn
            self.end = end
        }
    }

    /// Somebody who has something.
    public struct Provider: Hashable, Sendable {
        /// What it has.
        public var key: [UInt8]
        /// Who, and where.
        public var contact: KademliaContact
        /// When its time is over, in seconds since 1970.
        public var end: Int64

        /// A provider of a key.
        public init(key: [UInt8], contact: KademliaContact, end: Int64) {
            self.key = key
            self.contact = contact
            self.end = end
        }
    }

    /// When, and as being where, this node has told what it provides for the last time.
    public struct Telling: Hashable, Sendable {
        /// In seconds since 1970.
        public var time: Int64
        /// Where it was then.
        public var addresses: [Multiaddr]

        /// A time and addresses.
        public init(time: Int64, addresses: [Multiaddr]) {
            self.time = time
            self.addresses = addresses
        }
    }

    /// Who was in the table.
    public var members: [KademliaContact] = []
    /// Values.
    public var values: [Value] = []
    /// Providers that are not this node.
    public var providers: [Provider] = []
    /// When this node last told what it provides; nil for never.
    public var telling: Telling?

    /// Nothing.
    public init() {}
}

/// What has changed since the last time.
public struct KademliaChanges: Sendable {
    /// Who is in the table now; nil for no change.
    public var members: [KademliaContact]?
    /// What stands under these keys now; nil for nothing.
    public var values: [[UInt8]: KademliaHoldings.Value?] = [:]
    /// Who provides these keys now.
    public var providers: [[UInt8]: [KademliaHoldings.Provider]] = [:]
    /// This node has told what it provides.
    public var telling: KademliaHoldings.Telling?

    /// No change.
    public init() {}

    /// Whether there is nothing to keep.
    public var isEmpty: Bool { self.members == nil && self.values.isEmpty && self.providers.isEmpty && self.telling == nil }
}
