import NIOCore
import P2PCore
import P2PProtocolTesting

@testable import P2PHTTP2

/// A frame of HTTP/2, written and read by hand (RFC 9113, section 4.1).
struct RawFrame: Sendable, CustomStringConvertible {
    enum Kind: UInt8 { case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation }

    static let endStream: UInt8 = 1
    static let endHeaders: UInt8 = 4
    /// `GET http://a/`, out of HPACK's static table but for the host.
    static let get: [UInt8] = [0x82, 0x86, 0x84, 0x41, 0x01, 0x61]

    var type: Kind?
    var flags: UInt8 = 0
    var stream: UInt32
    var payload: [UInt8] = []

    init(_ type: Kind?, _ stream: UInt32 = 0, flags: UInt8 = 0, _ payload: [UInt8] = []) {
        self.type = type
        self.stream = stream
        self.flags = flags
        self.payload = payload
    }

    var description: String { "\(self.type.map { "\($0)" } ?? "?") of \(self.stream): \(self.payload.prefix(16))" }

    /// What `GOAWAY` and `RST_STREAM` say.
    var errorCode: UInt32 {
        (self.type == .goAway ? self.payload.dropFirst(4) : self.payload[...]).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    func write(into bytes: inout ByteBuffer) {
        let size = UInt32(self.payload.count)
        bytes.writeBytes([UInt8(truncatingIfNeeded: size >> 16), UInt8(truncatingIfNeeded: size >> 8), UInt8(truncatingIfNeeded: size)])
        bytes.writeInteger(self.type?.rawValue ?? 0xee)
        bytes.writeInteger(self.flags)
        bytes.writeInteger(self.stream)
        bytes.writeBytes(self.payload)
    }
}

/// A peer that speaks HTTP/2 by hand to a service.
struct RawHTTP2 {
    static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    let stream: PeerStream
    private let pair: StreamPair

    /// Bytes that the service keeps.
    var heldBytes: Int { self.pair.heldBytes - self.stream.muxed.unreadBytes }

    /// Opens a stream, and says hello unless something else is to be said first.
    init(_ service: HTTP2Service, first: String = RawHTTP2.preface, settings: RawFrame? = RawFrame(.settings)) async throws {
        let (pair, connection) = (StreamPair(), LoopbackPeer(service, on: try .sample()).peerConnection)
        Task { await service.serve(pair.listener, on: connection) }
        self.stream = pair.dialer
        self.pair = pair
        var bytes = ByteBuffer(string: first)
        settings?.write(into: &bytes)
        try await self.stream.write(bytes)
    }

    /// Sends frames, as far as anybody takes them.
    func send(_ frames: [RawFrame]) async {
        var bytes = ByteBuffer()
        for frame in frames { frame.write(into: &bytes) }
        try? await self.stream.write(bytes)
    }

    /// The next frame; nil at the end, however it comes.
    func next() async -> RawFrame? {
        guard var head = try? await self.stream.readExactly(9), let length = head.readBytes(length: 3),
            let type = head.readInteger(as: UInt8.self),
            let flags = head.readInteger(as: UInt8.self), let stream = head.readInteger(as: UInt32.self)
        else { return nil }
        let size = length.reduce(0) { $0 << 8 | Int($1) }
        guard size > 0 else { return RawFrame(RawFrame.Kind(rawValue: type), stream, flags: flags) }
        guard let payload = try? await self.stream.readExactly(size) else { return nil }
        return RawFrame(RawFrame.Kind(rawValue: type), stream, flags: flags, Array(payload.readableBytesView))
    }

    /// All that the service says until it ends the stream.
    func rest() async throws -> [RawFrame] {
        var frames: [RawFrame] = []
        while let frame = await self.next() { frames.append(frame) }
        return frames
    }

    /// What it says about one exchange, until that is over.
    func answer(to stream: UInt32) async -> [RawFrame] {
        var frames: [RawFrame] = []
        while let frame = await self.next() {
            guard frame.stream == stream else { continue }
            frames.append(frame)
            if frame.type == .reset || frame.flags & RawFrame.endStream != 0 { break }
        }
        return frames
    }
}

/// Returns once that holds.
func until(_ condition: () -> Bool) async {
    while !condition() { await Task.yield() }
}
