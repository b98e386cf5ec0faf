import P2PCore

/// How much a peerstore's file may hold.
public struct PeerstoreLimits: Sendable, Hashable {
    /// The longest agent or protocol version that is kept, in characters; the rest is cut off.
    static let versionLength = 256
    /// The longest signed record that is kept, in bytes; go's limit on a whole identify message.
    static let recordSize = 8_192

    /// Peers. One that was never connected makes room, or else the one that was touched longest ago.
    public var peers: Int
    /// Addresses of one peer; the one that expires first makes room.
    public var addressesPerPeer: Int
    /// Protocols of one peer that are remembered.
    public var protocolsPerPeer: Int
    /// Entries of the application's metadata of one peer.
    public var metadataPerPeer: Int
    /// An entry of metadata with its name, in bytes.
    public var metadataSize: Int
    /// The size of the file, in bytes; peers make room before it is reached. The log beside it has a few mebibytes more.
    public var fileSize: Int

    /// Bounds; by default for 10,000 peers.
    public init(
        peers: Int = 10_000, addressesPerPeer: Int = 32, protocolsPerPeer: Int = 128, metadataPerPeer: Int = 32, metadataSize: Int = 4_096,
        fileSize: Int = 256 * 1_024 * 1_024
    ) {
        self.peers = max(1, peers)
        self.addressesPerPeer = max(1, addressesPerPeer)
        self.protocolsPerPeer = max(0, protocolsPerPeer)
        self.metadataPerPeer = max(0, metadataPerPeer)
        self.metadataSize = max(0, metadataSize)
        self.fileSize = max(1_024 * 1_024, fileSize)
    }

    var metadata: MetadataLimits { MetadataLimits(entries: self.metadataPerPeer, size: self.metadataSize) }
}
