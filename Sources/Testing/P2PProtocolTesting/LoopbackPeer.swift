package import P2PCore
package import P2PIdentity
import P2PMultiaddr
import Synchronization

/// A peer in memory: every stream that is opened to it is served by the handler, as a host would.
package final class LoopbackPeer: StreamOpening {
    private let handler: any ProtocolHandler
    private let connection: ConnectionInfo
    private let count = Atomic<Int>(0)

    package init(_ handler: any ProtocolHandler, on connection: ConnectionInfo) {
        self.handler = handler
        self.connection = connection
    }

    /// A peer that does with each stream what the closure says.
    package convenience init(_ body: @escaping @Sendable (PeerStream) async throws -> Void) throws {
        self.init(ClosureHandler(body: body), on: try .sample())
    }

    /// Streams that were opened so far.
    package var opened: Int { self.count.load(ordering: .sequentiallyConsistent) }

    package func openStream(to peer: PeerID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        self.open()
    }

    package func openStream(on connection: ConnectionID, protocols: [ProtocolID]) async throws(StreamError) -> PeerStream {
        self.open()
    }

    private func open() -> PeerStream {
        self.count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        let pair = StreamPair()
        Task { await self.handler.serve(pair.listener, on: self.connection) }
        return pair.dialer
    }
}

private struct ClosureHandler: ProtocolHandler {
    let protocolIDs: [ProtocolID] = ["/test/1.0.0"]
    let body: @Sendable (PeerStream) async throws -> Void

    func handle(_ stream: PeerStream, on connection: ConnectionInfo) async throws { try await self.body(stream) }
}

extension ProtocolHandler {
    /// Serves a stream as a host does: finishes it, or resets it with the error that it returns.
    @discardableResult
    package func serve(_ stream: PeerStream, on connection: ConnectionInfo) async -> StreamError? {
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

extension ConnectionInfo {
    /// A connection between two fresh identities.
    package static func sample(
        local: PrivateKey? = nil, remote: PrivateKey? = nil, role: ConnectionRole = .dialer
    ) throws -> ConnectionInfo {
        let local = try local ?? PrivateKey.generate(.ed25519)
        let remote = try remote ?? PrivateKey.generate(.ed25519)
        return ConnectionInfo(
            role: role, localPeer: PeerID(local.publicKey), remotePeer: PeerID(remote.publicKey), remoteKey: remote.publicKey,
            localAddress: try Multiaddr("/ip4/127.0.0.1/tcp/1"), remoteAddress: try Multiaddr("/ip4/127.0.0.1/tcp/2"),
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
