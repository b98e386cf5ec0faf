import Logging
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization

/// A host as its modules and connections hold it: without keeping it alive, and before there is one.
final class HostLink: HostAccess {
    private struct Target {
        weak var host: PeerHost?
    }

    let peerID: PeerID
    let clock: HostClock
    let logger: Logger
    private let target = Mutex(Target())

    init(peerID: PeerID, clock: HostClock, logger: Logger) {
        self.peerID = peerID
        self.clock = clock
        self.logger = logger
    }

    func bind(_ host: PeerHost) {
        self.target.withLock { $0.host = host }
    }

    private var host: PeerHost? { self.target.withLock { $0.host } }

    var listenAddresses: [Multiaddr] { self.host?.swarm.listenAddresses ?? [] }
    var announcedAddresses: [Multiaddr] { self.host?.introductions.announcedAddresses ?? [] }
    var connections: [PeerConnection] { self.host?.connections() ?? [] }
    func connection(_ id: ConnectionID) -> PeerConnection? { self.host?.connection(id) }
    func connections(to peer: PeerID) -> [PeerConnection] { self.host?.connections(to: peer) ?? [] }
    func isConnected(to peer: PeerID) -> Bool { self.host?.isConnected(to: peer) ?? false }
    var peerstore: any Peerstore { self.host?.peerstore ?? MemoryPeerstore(clock: self.clock) }
    var resources: any ResourceManager { self.host?.swarm.limits ?? ConnectionLimits(ResourceLimits()) }
    var introductions: any PeerIntroducing { self.host?.introductions ?? SilentIntroductions() }

    func sample() -> HostSample { self.host?.sample() ?? HostSample(statistics: HostStatistics()) }

    func events() -> HostEvents {
        guard let host = self.host else {
            let bus = HostEventBus()
            bus.finish()
            return bus.subscribe()
        }
        return host.events()
    }

    func connect(to peer: PeerID, _ request: DialRequest) async throws(DialError) -> PeerConnection {
        guard let host = self.host else { throw DialError(.notRunning, "the host is gone") }
        return try await host.connect(to: peer, request)
    }

    func disconnect(_ connection: ConnectionID, code: ConnectionErrorCode, grace: Duration) async {
        await self.host?.disconnect(connection, code: code, grace: grace)
    }

    func stopListening(on address: Multiaddr) {
        self.host?.swarm.withdraw(address)
    }

    func serve(_ handler: any ProtocolHandler) throws(StreamError) {
        let host = try self.living()
        do throws(HostError) {
            try host.serve(handler)
        } catch {
            throw StreamError(error.code == .protocolTaken ? .protocolTaken : .invalidProtocol, error.message, cause: error)
        }
    }

    func stopServing(_ protocolID: ProtocolID) {
        self.host?.stopServing(protocolID)
    }

    func discovered(_ found: DiscoveredPeer) async {
        await self.host?.discovered(found)
    }

    func openStream(to peer: PeerID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        try await self.living().openStream(to: peer, protocols: protocols)
    }

    func openStream(on connection: ConnectionID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        try await self.living().openStream(on: connection, protocols: protocols)
    }

    func tag(_ peer: PeerID, _ name: String, value: Int) { self.host?.tag(peer, name, value: value) }

    func tag(_ peer: PeerID, _ name: String, adding points: Int, halfLife: Duration) {
        self.host?.tag(peer, name, adding: points, halfLife: halfLife)
    }

    func untag(_ peer: PeerID, _ name: String) { self.host?.untag(peer, name) }

    func protect(_ peer: PeerID, for name: String) { self.host?.protect(peer, for: name) }

    func unprotect(_ peer: PeerID, for name: String) -> Bool { self.host?.unprotect(peer, for: name) ?? false }

    func value(of connection: ConnectionID) -> ConnectionValue? { self.host?.value(of: connection) }

    private func living() throws(StreamError) -> PeerHost {
        guard let host = self.host else { throw StreamError(.connectionLost, "the host is gone") }
        return host
    }
}
