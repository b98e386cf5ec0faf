import NIOCore
import P2PCore
import P2PProtocolTesting
import Testing

@testable import P2PFetch

@Suite("Fetch")
struct FetchTests {
    private struct Broken: Error {}

    private func peer() throws -> LoopbackPeer {
        let fetch = Fetch(prefix: "/a/") { key in key.last == 0 ? nil : Array(key.reversed()) }
            .answering("/a/longer/") { _ in [1] }.answering("/broken/") { _ in throw Broken() }
        return LoopbackPeer(fetch, on: try .sample())
    }

    private func fetch(_ key: [UInt8], _ peer: LoopbackPeer) async throws -> [UInt8]? {
        try await Fetch.value(for: key, from: peer.peerConnection.remotePeer, through: peer)
    }

    @Test("A value is found, or there is none, or it can't be said")
    func answers() async throws {
        let peer = try self.peer()
        #expect(try await self.fetch(Array("/a/b".utf8), peer) == Array("b/a/".utf8))
        #expect(try await self.fetch(Array("/a/".utf8) + [0], peer) == nil)
        #expect(try await self.fetch(Array("/a/longer/x".utf8), peer) == [1])
        #expect(await errorCode { _ = try await self.fetch(Array("/other".utf8), peer) } == .fetchFailed)
        #expect(await errorCode { _ = try await self.fetch(Array("/broken/x".utf8), peer) } == .fetchFailed)
    }

    @Test("What a peer says reaches no terminal as it is, and is short")
    func texts() {
        #expect(Fetch.printable(Array("no\u{1b}[2J\u{202e}\nkey".utf8)) == "no?[2J??key")
        #expect(Fetch.printable(Array("kein Schlüssel".utf8)) == "kein Schlüssel")
        #expect(Fetch.printable([UInt8](repeating: 0x61, count: 5_000)).utf8.count == 256)
    }

    @Test("The bytes are those of the spec")
    func wire() throws {
        #expect(Array(FetchRequest(key: Array("ab".utf8)).encoded.readableBytesView) == [0x0a, 2, 0x61, 0x62])
        #expect(Array(FetchResponse(.found, [7]).encoded.readableBytesView) == [0x12, 1, 7])
        #expect(Array(FetchResponse(.notFound).encoded.readableBytesView) == [0x08, 1])
        #expect(try FetchResponse(reading: ByteBuffer()) == FetchResponse(.found))
        #expect(throws: StreamError(.malformed, "")) { try FetchResponse(reading: ByteBuffer(bytes: [0x08, 3])) }
        #expect(throws: StreamError(.malformed, "")) { try FetchRequest(reading: ByteBuffer(bytes: [0x0a, 9])) }
    }
}
