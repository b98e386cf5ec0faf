import NIOCore
import P2PCore
import P2PPerf
import P2PProtocolTesting
import Synchronization
import Testing

@Suite("Perf")
struct PerfTests {
    @Test("Both sides move what was asked for", arguments: [(0, 0), (1, 1), (0, 3_000_000), (3_000_000, 0), (1_234_567, 765_432)])
    func measures(upload: UInt64, download: UInt64) async throws {
        let connection = try ConnectionInfo.sample()
        let last = Mutex(PerfProgress(uploadedBytes: 0, downloadedBytes: 0))
        let measurement = try await PerfClient(opening: LoopbackPeer(PerfProtocol(), on: connection)).measure(
            connection.remotePeer, upload: upload, download: download
        ) { report in last.withLock { $0 = report } }
        #expect(measurement.uploadBytes == upload)
        #expect(measurement.downloadBytes == download)
        #expect(measurement.downloadTime > .zero)
        #expect((measurement.uploadTime > .zero) == (upload > 0))
        #expect(last.withLock { $0 } == PerfProgress(uploadedBytes: upload, downloadedBytes: download))
    }

    @Test("A request for 2^64 - 1 bytes is served at the reader's speed, and ends with its reset")
    func endlessDownload() async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        async let failure = PerfProtocol().serve(pair.listener, on: connection)
        try await pair.dialer.write(ByteBuffer(integer: UInt64.max))
        try await pair.dialer.finish()
        var received = 0
        while received < 2_000_000, let bytes = try await pair.dialer.read() { received += bytes.readableBytes }
        #expect(received >= 2_000_000)
        pair.dialer.reset()
        #expect(await failure?.code == .reset)
    }

    @Test("A peer that finishes inside the header has its stream reset", arguments: [0, 7])
    func shortHeader(size: Int) async throws {
        let pair = StreamPair()
        let connection = try PeerConnection.sample()
        async let failure = PerfProtocol().serve(pair.listener, on: connection)
        try await pair.dialer.write(ByteBuffer(repeating: 0, count: size))
        try await pair.dialer.finish()
        #expect(await errorCode { _ = try await pair.dialer.read() } == .reset)
        #expect(await failure?.code == .unexpectedEnd)
    }

    @Test("A server that sends too much is reset")
    func tooMuch() async throws {
        let client = PerfClient(opening: try LoopbackPeer { try await $0.write(ByteBuffer(repeating: 0, count: 11)) })
        let peer = try ConnectionInfo.sample().remotePeer
        #expect(await errorCode { _ = try await client.measure(peer, upload: 0, download: 10) } == .malformed)
    }

    @Test("A server that finishes early is an error")
    func tooLittle() async throws {
        let client = PerfClient(opening: try LoopbackPeer { try await $0.write(ByteBuffer(repeating: 0, count: 9)) })
        let peer = try ConnectionInfo.sample().remotePeer
        #expect(await errorCode { _ = try await client.measure(peer, upload: 0, download: 10) } == .unexpectedEnd)
    }

    @Test("A peer may keep 64 streams open")
    func limits() {
        #expect(PerfProtocol().limits.inboundPerPeer == 64)
        #expect(PerfProtocol().protocolIDs == ["/perf/1.0.0"])
    }
}
