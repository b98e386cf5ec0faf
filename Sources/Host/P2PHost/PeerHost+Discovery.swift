import Logging
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr
import P2PSwarm

extension PeerHost {
    /// Addresses of one discovered peer that are looked at.
    private static let discoveredAddressLimit = 64
    /// How long after it failed a source of discovery is tried again.
    private static let discoveryPause = Duration.seconds(10)

    // MARK: Discovery

    /// Runs a source until the task is cancelled, and anew after a failure.
    func discover(with discovery: any Discovery) async {
        while !Task.isCancelled {
            do {
                try await discovery.run(on: self.link)
                if !Task.isCancelled { return }
            } catch is CancellationError {
                return
            } catch {
                self.logger.warning("a source of discovery failed", metadata: ["reason": "\(error)"])
                await self.swarm.clock.sleep(self.swarm.clock.now().advanced(by: Self.discoveryPause))
            }
        }
    }

    /// A source of discovery, or the application by other means, has found a peer.
    ///
    /// The source vouches for the addresses: that they hold where this node is. It goes to the peerstore and to ``events()``; it is dialled,
    /// under the limits and the gater as any dial, unless ``HostConfiguration/dialsDiscovered`` says otherwise.
    public func discovered(_ found: DiscoveredPeer) async {
        guard found.peer != self.peerID, !found.addresses.isEmpty else { return }
        let judge = self.swarm.judge
        var change = PeerChange(of: found.peer)
        for address in found.addresses.prefix(Self.discoveredAddressLimit) where address.reach != .nowhere {
            change.add(KnownAddress(address, source: .discovery, origin: judge.origin(of: address)), timeToLive: found.timeToLive)
        }
        if !found.isRemembered { self.swarm.peerstore.later(change) }
        self.swarm.events.post(.discovered(found))
        if self.configuration.dialsDiscovered, self.swarm.connection(to: found.peer) == nil {
            let now = self.swarm.clock.now()
            self.keeper.found(found.peer, until: now.advanced(by: found.timeToLive), yields: self.peerID > found.peer, now: now)
        }
        // A network may bring as many peers as the store keeps up with.
        await self.swarm.peerstore.settled()
    }

    // MARK: Staying connected

    /// Connects to a peer and, whenever the connection is lost, connects again, with pauses that grow from a quarter of a second to two
    /// seconds and, once the peer has been missing for minutes, to one minute.
    ///
    /// A change of this machine's network interfaces, ``resume()`` and a new discovery of the peer end a pause. May be called before ``run()``.
    ///
    /// - Parameter addresses: where the peer may be, in addition to what the peerstore knows.
    /// - Throws: ``HostError`` (`.tooManyKept`).
    public func keepConnected(_ peer: PeerID, at addresses: [Multiaddr] = []) throws(HostError) {
        try self.keeper.keep(
            peer, at: addresses, isConnected: { self.swarm.connection(to: peer) != nil }, now: self.swarm.clock.now())
        self.swarm.protect(peer, for: Self.keeping)
    }

    /// The peer need not stay connected any more; a connection that there is stays.
    public func stopKeepingConnected(_ peer: PeerID) {
        self.keeper.release(peer)
        self.swarm.unprotect(peer, for: Self.keeping)
    }

    /// For what peers are protected that are to stay connected.
    static let keeping = "keepConnected"

    /// Whether ``keepConnected(_:at:)`` holds for the peer.
    public func isKeptConnected(_ peer: PeerID) -> Bool { self.keeper.keeps(peer) }

    // MARK: Sleep

    /// The application or the machine goes to sleep: says goodbye on every connection and to the local network, and dials nobody of its
    /// own accord until ``resume()``.
    public func suspend() async {
        self.keeper.suspend()
        await withTaskGroup(of: Void.self) { group in
            for connection in self.connections() {
                group.addTask { await self.disconnect(connection.id) }
            }
        }
    }

    /// Awake again: discovers and dials at once.
    public func resume() {
        self.swarm.networkChanged()
        self.keeper.resume(at: self.swarm.clock.now())
    }

    /// The network is another one than before, for an application that learns of it sooner than this host, which looks every two seconds.
    public func networkChanged() {
        self.swarm.networkChanged()
        self.keeper.networkChanged(at: self.swarm.clock.now())
    }
}
