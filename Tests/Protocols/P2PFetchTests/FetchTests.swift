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

    /// A peer that answers a request of these bytes with those, as they stand on the wire.
    private func value(for key: [UInt8], _ request: [UInt8], _ response: [UInt8]) async throws -> [UInt8]? {
        let peer = try LoopbackPeer { stream in
            #expect(try await stream.readExactly(request.count).map { Array($0.readableBytesView) } == request)
            try await stream.write(bytes: response)
            try await stream.finish()
        }
        return try await Fetch.value(for: key, from: peer.peerConnection.remotePeer, through: peer)
    }

    @Test("What go and js put on the wire is understood: zeros left out or written, keys that are no text, reasons")
    func fixtures() async throws {
        let name: [UInt8] = Array("/ipns/".utf8) + [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + [UInt8](repeating: 0x8a, count: 32)
        let request = [46, 0x0a, 44] + name
        // go leaves the zero out; kubo 0.22 has no value (seen on the wire); js writes the zero, and says why there is no handler.
        #expect(try await self.value(for: name, request, [4, 0x12, 2, 7, 8]) == [7, 8])
        #expect(try await self.value(for: name, request, [2, 0x08, 1]) == nil)
        #expect(try await self.value(for: name, request, [6, 0x08, 0, 0x12, 2, 7, 8]) == [7, 8])
        // A value that is empty is one.
        #expect(try await self.value(for: name, request, [0]) == [])
        let failure = await errorCode { _ = try await self.value(for: name, request, [8, 0x08, 2, 0x12, 4] + Array("none".utf8)) }
        #expect(failure == .fetchFailed)
        #expect(await errorCode { _ = try await self.value(for: name, request, [2, 0x08, 3]) } == .malformed)
        #expect(await errorCode { _ = try await self.value(for: name, request, []) } == .unexpectedEnd)
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
