package import Logging
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr
import Synchronization

/// A peer in memory, and the host that reaches it: every stream that is opened is served by the handler, as a host would.
package final class LoopbackPeer: HostAccess {
    private let handler: any ProtocolHandler
    private let connection: ConnectionInfo
    private let count = Atomic<Int>(0)
    private let finding: AsyncStream<DiscoveredPeer>.Continuation

    package let clock: HostClock
    package let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    package let peerstore: any Peerstore = ForgetfulPeerstore()
    package let resources: any ResourceManager = BoundlessResources()
    package let introductions: any PeerIntroducing
    /// What happens to the host: nothing, unless a test posts it.
    package let bus = HostEventBus()
    /// What was passed to ``discovered(_:)``.
    package let found: AsyncStream<DiscoveredPeer>

    package init(
        _ handler: any ProtocolHandler, on connection: ConnectionInfo, introductions: any PeerIntroducing = SilentIntroductions(),
        clock: HostClock = .system
    ) {
        self.handler = handler
        self.connection = connection
        self.introductions = introductions
        self.clock = clock
        (self.found, self.finding) = AsyncStream.makeStream()
    }

    /// A peer that does with each stream what the closure says.
    package convenience init(
        on connection: ConnectionInfo? = nil, introductions: any PeerIntroducing = SilentIntroductions(),
        _ body: @escaping @Sendable (PeerStream) async throws -> Void
    ) throws {
        self.init(
            ClosureHandler(["/test/1.0.0"]) { stream, _ in try await body(stream) }, on: try connection ?? .sample(),
            introductions: introductions)
    }

    /// Streams that were opened so far.
    package var opened: Int { self.count.load(ordering: .sequentiallyConsistent) }

    /// The connection to the peer.
    package var peerConnection: PeerConnection { PeerConnection(self.connection, of: self) }

    package var peerID: PeerID { self.connection.localPeer }
    package var listenAddresses: [Multiaddr] { [self.connection.localAddress] }
    package var announcedAddresses: [Multiaddr] { [self.connection.localAddress] }
    package var connections: [PeerConnection] { [self.peerConnection] }
    package func connection(_ id: ConnectionID) -> PeerConnection? { self.connections.first { $0.id == id } }
    package func isConnected(to peer: PeerID) -> Bool { !self.connections(to: peer).isEmpty }
    package func connections(to peer: PeerID) -> [PeerConnection] { self.connections.filter { $0.remotePeer == peer } }

    package func sample() -> HostSample { HostSample(statistics: HostStatistics()) }

    package func events() -> HostEvents { self.bus.subscribe() }

    package func connect(to peer: PeerID, _ request: DialRequest) async throws(DialError) -> PeerConnection { self.peerConnection }

    package func disconnect(_ connection: ConnectionID, code: ConnectionErrorCode, grace: Duration) async {}

    package func stopListening(on address: Multiaddr) {}

    package func serve(_ handler: any ProtocolHandler) throws(StreamError) {}

    package func stopServing(_ protocolID: ProtocolID) {}

    package func discovered(_ found: DiscoveredPeer) async { self.finding.yield(found) }

    package func openStream(to peer: PeerID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        self.open()
    }

    package func openStream(on connection: ConnectionID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        self.open()
    }

    package func tag(_ peer: PeerID, _ name: String, value: Int) {}

    package func tag(_ peer: PeerID, _ name: String, adding points: Int, halfLife: Duration) {}

    package func untag(_ peer: PeerID, _ name: String) {}

    package func protect(_ peer: PeerID, for name: String) {}

    package func unprotect(_ peer: PeerID, for name: String) -> Bool { false }

    package func value(of connection: ConnectionID) -> ConnectionValue? { nil }

    private func open() -> PeerStream {
        self.count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        let pair = StreamPair()
        Task { await self.handler.serve(pair.listener, on: self.peerConnection) }
        return pair.dialer
    }
}

extension ProtocolHandler {
    /// Serves a stream as a host does: finishes it, or resets it with the error that it returns.
    @discardableResult
    package func serve(_ stream: PeerStream, on connection: PeerConnection) async -> StreamError? {
        do {
            try await self.handle(stream, on: connection)
            try await stream.finish()
            return nil
        } catch {
            stream.reset(.protocolViolation)
            return error as? StreamError
        }
    }
}

extension PeerConnection {
    /// A connection between two fresh identities, to a peer that serves nothing.
    package static func sample() throws -> PeerConnection {
        try LoopbackPeer { $0.reset() }.peerConnection
    }
}

extension ConnectionInfo {
    /// A connection between two fresh identities.
    package static func sample(
        local: PrivateKey? = nil, remote: PrivateKey? = nil, role: ConnectionRole = .dialer
    ) throws -> ConnectionInfo {
        let local = try local ?? PrivateKey.generate(.ed25519)
        let remote = try remote ?? PrivateKey.generate(.ed25519)
        return ConnectionInfo(
            role: role, localPeer: PeerID(local.publicKey), remotePeer: PeerID(remote.publicKey), remoteKey: remote.publicKey,
            localAddress: Multiaddr("/ip4/127.0.0.1/tcp/1"), remoteAddress: Multiaddr("/ip4/127.0.0.1/tcp/2"),
            security: "/test-security", muxer: "/test-muxer")
    }
}

/// The code of the error that the body throws; nil when it returns.
package func errorCode(_ body: () async throws -> Void) async -> StreamError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? StreamError)?.code
    }
}
