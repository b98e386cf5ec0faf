import P2P

// What the article about finding others shows.

/// The table of a network of one's own; `way` is any member of it, and the first one has none.
func library(by way: [Multiaddr] = [], _ mode: KademliaMode = .server) -> Kademlia {
    var configuration = KademliaConfiguration("/library/kad/1.0.0", mode: mode)
    configuration.bootstrap = way
    configuration.namespaces["page"] = PageValidator()
    return Kademlia(configuration)
}

/// A page is its number in one byte, and a text; of two the one with the higher number is the newer.
struct PageValidator: RecordValidator {
    func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError) {
        guard (2...1_000).contains(value.count) else { throw KademliaError(.invalidValue, "a page has 2 to 1,000 bytes") }
    }

    func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool { (value.first ?? 0) > (other.first ?? 0) }
}

/// The first one that has a book, connected.
func borrow(_ book: [UInt8], by dht: Kademlia, on host: PeerHost) async throws -> PeerConnection? {
    for try await event in dht.events(of: .providers(of: book)) {
        guard case .provider(let provider) = event else { continue }
        if let connection = try? await host.connect(to: provider.peer) { return connection }
    }
    return nil
}

/// What members ask each other, each on a stream of its own.
let title = RequestResponse("/library/title/1.0.0", requests: BytesCodec(), responses: TextCodec())

/// Whoever else is at the meeting point is found there.
func player(meetingAt point: Multiaddr) async throws -> PeerHost {
    let meeting = try Rendezvous("my-game", at: point)
    let host = try await PeerHost.standard(modules: .standard.adding(meeting))
    return host
}
