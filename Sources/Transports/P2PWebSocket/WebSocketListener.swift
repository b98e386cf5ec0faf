import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A bound address whose arrivals must ask for a WebSocket before anything else.
struct WebSocketListener: ByteListener {
    private let carrier: any ByteListener
    private let address: WebSocketAddress
    private let terms: WebSocketAnswer.Terms
    private let certificate: ServerCertificate?
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    init(
        carrier: any ByteListener, address: WebSocketAddress, terms: WebSocketAnswer.Terms, certificate: ServerCertificate?
    ) {
        self.carrier = carrier
        self.address = address
        self.terms = terms
        self.certificate = certificate
        self.changes = AddressChanges.make()
    }

    var addresses: [Multiaddr] { self.carrier.addresses.map(self.address.over) }
    var addressChanges: AddressChanges { self.changes.changes }

    func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws {
        let address = self.address
        let listening = WebSocketListening(terms: self.terms, certificate: self.certificate)
        defer { self.changes.continuation.finish() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let certificate = self.certificate { group.addTask { await certificate.watch() } }
            group.addTask { await self.passOnChanges() }
            defer { group.cancelAll() }
            try await self.carrier.run { bytes in await onArrival(bytes.adding([listening], as: address)) }
        }
    }

    private func passOnChanges() async {
        for await addresses in self.carrier.addressChanges {
            self.changes.continuation.yield(addresses.map(self.address.over))
        }
    }
}
