package import Logging
public import P2PIdentity
public import P2PMultiaddr
import Synchronization

/// A connection's name within this process.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    private static let last = Atomic<UInt64>(0)

    /// Counted up from one for each connection of this process.
    public let number: UInt64

    /// A name that no other connection of this process has.
    public init() {
        self.number = Self.last.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// The number behind a `#`, as logs show it.
    public var description: String { "#\(self.number)" }
}

/// What is known about a connection from the moment it is ready; it never changes afterwards.
public final class ConnectionInfo: Sendable, CustomStringConvertible {
    /// The most bytes that an application may attach to its handshakes. A peer that attaches more is refused.
    public static let maximumAppMetadata = 4_096

    /// Its name within this process.
    public let id: ConnectionID
    /// Which part this side has in the handshakes: that of whoever dialled, unless the dial asked for the other.
    public let role: ConnectionRole
    /// Whether this side dialled.
    public let isDialled: Bool
    /// Who we are on it.
    public let localPeer: PeerID
    /// Who the peer proved to be.
    public let remotePeer: PeerID
    /// The key that the peer proved to hold.
    public let remoteKey: PublicKey
    /// The address of this side of the connection, without `/p2p`.
    public let localAddress: Multiaddr
    /// The peer's end, without `/p2p`.
    public let remoteAddress: Multiaddr
    /// The secure channel that was negotiated, such as `/noise`.
    public let security: ProtocolID
    /// The stream muxer that was negotiated, such as `/yamux/1.0.0`.
    public let muxer: ProtocolID
    /// Whether the muxer was agreed on inside the secure handshake, which saves a round trip.
    public let wasMuxerEarly: Bool
    /// What the peer's application attached to its handshake, at most ``maximumAppMetadata`` bytes; nil when nothing. The peer has proved
    /// who it is by now, so this is its word.
    public let appMetadata: [UInt8]?
    /// Whether the connection is lent by a relay, with limits on time and bytes. Handlers opt in to those.
    public let isLimited: Bool

    /// Every part, as documented above.
    ///
    /// - Parameter isDialled: nil where whoever dials begins the handshakes.
    public init(
        id: ConnectionID = ConnectionID(), role: ConnectionRole, localPeer: PeerID, remotePeer: PeerID, remoteKey: PublicKey,
        localAddress: Multiaddr, remoteAddress: Multiaddr, security: ProtocolID, muxer: ProtocolID, wasMuxerEarly: Bool = false,
        appMetadata: [UInt8]? = nil, isLimited: Bool = false, isDialled: Bool? = nil
    ) {
        self.id = id
        self.role = role
        self.isDialled = isDialled ?? (role == .dialer)
        self.localPeer = localPeer
        self.remotePeer = remotePeer
        self.remoteKey = remoteKey
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.security = security
        self.muxer = muxer
        self.wasMuxerEarly = wasMuxerEarly
        self.appMetadata = appMetadata
        self.isLimited = isLimited
    }

    /// What every line of a log says that is about the connection: its id, which is the same in all layers and in traces, and whose it is.
    package var logMetadata: Logger.Metadata {
        ["connection": "\(self.id)", "peer": "\(self.remotePeer)", "address": "\(self.remoteAddress)"]
    }

    /// The connection in a line for logs and people; not meant to be parsed.
    public var description: String {
        "connection \(self.id) \(self.isDialled ? "to" : "from") \(self.remotePeer) at \(self.remoteAddress) (\(self.security), \(self.muxer))"
    }
}
