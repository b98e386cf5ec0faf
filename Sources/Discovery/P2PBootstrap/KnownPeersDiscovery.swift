public import P2PCore
import P2PIdentity

/// Peers that a node has been connected to before, as its peerstore remembers them: after a restart of this node, or of theirs, they are found again
/// without any help.
public struct KnownPeersDiscovery: Discovery {
    /// Peers that are reported; those beyond, connected longer ago, have to be found otherwise.
    public static let limit = 128
    /// For how long they are worth a dial at the start.
    private static let timeToLive = Duration.seconds(10 * 60)
    /// For how long one that was connected since, and was lost, is worth a dial.
    private static let lostTimeToLive = Duration.seconds(3_600)

    private let peerstore: any Peerstore

    /// - Parameter peerstore: is asked once, at the start, and again after a sleep of the host.
    public init(_ peerstore: any Peerstore) {
        self.peerstore = peerstore
    }

    /// Reports whom the peerstore remembers, the one that was connected last first; then, until it is cancelled, each of them again that was connected
    /// meanwhile and is lost. Announces nothing.
    public func run(on host: any HostAccess) async throws {
        let events = host.events()
        var lost = LostPeers(await self.reportMet(to: host))
        await withDiscardingTaskGroup { group in
            for await event in events {
                let now = host.clock.now()
                var gone: [PeerID] = []
                switch event {
                case .connected(let connection): lost.connected(connection.remotePeer, at: now)
                case .disconnected(let connection, let reason) where !Self.isOurs(reason): gone = [connection.remotePeer]
                case .lost: gone = lost.connected
                default: break
                }
                for peer in gone where !host.isConnected(to: peer) {
                    guard let pause = lost.lost(peer, at: now) else { continue }
                    group.addTask {
                        await host.clock.sleep(for: pause)
                        if !Task.isCancelled { await self.report(peer, for: Self.lostTimeToLive, to: host) }
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// - Returns: who was reported.
    private func reportMet(to host: any HostAccess) async -> [PeerID] {
        var met: [(peer: PeerID, seen: Int64)] = []
        for peer in await self.peerstore.peers() {
            // Whoever was merely heard of may never have existed.
            if let seen = await self.peerstore.lastSeen(of: peer) { met.append((peer, seen)) }
        }
        // Sorting is stable: of those that were seen in the same second, the one that was touched last comes first.
        let last = met.sorted { $0.seen > $1.seen }.prefix(Self.limit).map(\.peer)
        for peer in last { await self.report(peer, for: Self.timeToLive, to: host) }
        return last
    }

    private func report(_ peer: PeerID, for timeToLive: Duration, to host: any HostAccess) async {
        var known = DiscoveredPeer(peer: peer, addresses: await self.peerstore.addresses(of: peer), timeToLive: timeToLive)
        known.isRemembered = true
        await host.discovered(known)
    }

    /// Whether this node wanted the end, so that nothing was lost.
    private static func isOurs(_ reason: ConnectionError) -> Bool { [.closed, .cancelled, .resourceLimit].contains(reason.code) }
}
