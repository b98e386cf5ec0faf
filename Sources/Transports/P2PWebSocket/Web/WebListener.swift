import Logging
import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A bound port that serves an application beside libp2p, or several protocols at once, told apart by their first bytes.
struct WebListener: ByteListener {
    /// What is spoken, and how the addresses say so.
    struct Port: Sendable {
        /// What a connection may begin with.
        var kinds: PortKinds
        /// What stands behind the carrier's address for a WebSocket in the clear, and for one over TLS; nil where there is none.
        var plain: WebSocketAddress?
        var secure: WebSocketAddress?
    }

    private let carrier: any ByteListener
    private let port: Port
    private let terms: WebSocketAnswer.Terms
    private let certificate: ServerCertificate?
    private let site: WebSite
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    init(
        carrier: any ByteListener, port: Port, terms: WebSocketAnswer.Terms, certificate: ServerCertificate?, site: WebSite
    ) {
        self.carrier = carrier
        self.port = port
        self.terms = terms
        self.certificate = certificate
        self.site = site
        self.changes = AddressChanges.make()
    }

    var addresses: [Multiaddr] { self.carrier.addresses.flatMap(self.spellings) }
    var addressChanges: AddressChanges { self.changes.changes }

    private func spellings(_ carrier: Multiaddr) -> [Multiaddr] {
        (self.port.kinds.contains(.libp2p) ? [carrier] : []) + [self.port.plain, self.port.secure].compactMap { $0?.over(carrier) }
    }

    func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws {
        defer { self.changes.continuation.finish() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let certificate = self.certificate { group.addTask { await certificate.watch() } }
            group.addTask {
                for await addresses in self.carrier.addressChanges {
                    self.changes.continuation.yield(addresses.flatMap(self.spellings))
                }
            }
            defer { group.cancelAll() }
            try await self.carrier.run { bytes in await self.receive(bytes, onArrival) }
        }
    }

    /// One connection, from its first byte.
    private func receive(_ bytes: ByteChannel, _ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async {
        let deadline = NIODeadline.now() + TimeAmount(self.site.limits.patience)
        do {
            let (kind, isSecure) = try await self.knownKind(of: bytes, until: deadline)
            switch kind {
            case .http(let head):
                let bytes = try await self.site.named(bytes, by: head, until: deadline)
                try await self.site.serve(head, on: bytes, until: deadline) {
                    // Only where a libp2p WebSocket is spoken at all.
                    guard let address = isSecure ? self.port.secure : self.port.plain else { return false }
                    await onArrival(bytes.replacing(address, [OpeningGate(terms: self.terms)], isLetIn: self.site.asksGater))
                    return true
                }
            case .libp2p:
                await onArrival(
                    ByteChannel(
                        channel: bytes.channel, localAddress: bytes.localAddress, remoteAddress: bytes.remoteAddress,
                        preparations: [OpeningGate(terms: nil)], progress: bytes.progress, isLetIn: self.site.asksGater))
            case .tls:
                bytes.channel.close(promise: nil)
            }
        } catch {
            self.site.report((error as? WebArrivalError)?.reason ?? "\(error)", bytes.remoteAddress)
            bytes.channel.close(promise: nil)
        }
    }

    /// Admits the arrival and finds out what it is. Meanwhile it has a place among those who wait.
    private func knownKind(of bytes: ByteChannel, until deadline: NIODeadline) async throws -> (kind: PortKind, isSecure: Bool) {
        let place = try self.site.waitingPlace(for: bytes)
        let (channel, loss) = (bytes.channel, place.loss)
        loss.then { channel.close(promise: nil) }
        do {
            try await self.site.askGater(about: bytes.remoteAddress, until: deadline, unless: loss)
            let kind = try await self.look(at: bytes, until: deadline)
            _ = consume place
            return kind
        } catch {
            throw loss.reason.map { WebArrivalError.noPlace($0) } ?? error
        }
    }

    /// Waits for what tells the kind, inside TLS if there is some.
    private func look(at bytes: ByteChannel, until deadline: NIODeadline) async throws -> (kind: PortKind, isSecure: Bool) {
        let channel = bytes.channel
        let (certificate, progress) = (self.certificate, bytes.progress)
        do {
            let kinds = self.port.kinds
            let outer = try await channel.behindTheGate(after: bytes.preparations) { pipeline, promise in
                try pipeline.addHandler(PortGate(kinds, deadline: deadline, progress: progress, showing: .heard, promise: promise))
            }
            guard outer == .tls, let certificate else { return (outer, false) }
            let inner = try await channel.behindTheGate { pipeline, promise in
                try certificate.protect(channel)
                try pipeline.addHandler(PortGate(.http, deadline: deadline, progress: progress, showing: .opened, promise: promise))
            }
            return (inner, true)
        } catch {
            throw WebArrivalError(reason: "\(error)")
        }
    }
}

/// A connection that ended, or was ended, before it said what it was.
struct WebArrivalError: Error {
    let reason: String

    /// It had to make room, or there was none.
    static func noPlace(_ limit: LimitError) -> Self { Self(reason: "\(limit): others have not said yet what they are") }
}

extension ByteChannel {
    /// The same channel as a WebSocket.
    fileprivate func replacing(
        _ address: WebSocketAddress, _ preparations: [any ChannelPreparation], isLetIn: Bool
    ) -> ByteChannel {
        ByteChannel(
            channel: self.channel, localAddress: address.over(self.localAddress), remoteAddress: address.over(self.remoteAddress),
            preparations: preparations, progress: self.progress, isLetIn: isLetIn)
    }
}

/// Lets a gate's bytes through to libp2p: as they are, or to a WebSocket's handshake.
private struct OpeningGate: ChannelPreparation {
    /// What a WebSocket's request is asked for; nil for raw bytes.
    let terms: WebSocketAnswer.Terms?

    func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            let pipeline = channel.pipeline.syncOperations
            let gate = pipeline.gate
            if let terms {
                try pipeline.addHandler(
                    DialogueHandler(WebSocketServerHandshake(terms), promise: promise) { WebSocketHandler(side: .server, pool: .of($0)) })
            } else {
                promise.assumeIsolated().succeed(())
            }
            try pipeline.open(gate)
        } catch {
            promise.fail(WebSocketError(.closed, "the handshakes can't begin", cause: error).asTransportError)
        }
    }
}
