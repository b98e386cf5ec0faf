import NIOCore
public import P2PCore

/// The serving side of perf: swallows the upload, then sends as many bytes as were asked for (perf spec, "Protocol").
///
/// The size is the peer's to choose, up to 2^64 - 1 bytes; what is held in memory is not: the upload is dropped as it is
/// read, and the download is one buffer written again and again, at the speed at which the peer reads.
public struct PerfProtocol: ProtocolHandler {
    /// `/perf/1.0.0`.
    public static let id: ProtocolID = "/perf/1.0.0"
    /// Streams that one peer may keep open to be served on.
    public static let inboundStreamsPerPeer = 64

    /// Whether it also serves connections that a relay lends.
    public let servesLimitedConnections: Bool

    /// A server.
    ///
    /// - Parameter servesLimitedConnections: also serve connections that a relay lends, with limits on time and bytes.
    public init(servesLimitedConnections: Bool = false) { self.servesLimitedConnections = servesLimitedConnections }

    /// What it answers to.
    public var protocolIDs: [ProtocolID] { [Self.id] }
    /// On the connection's loop: it only passes bytes on.
    public var placement: HandlerPlacement { .connectionLoop }
    /// How many streams a peer may keep open.
    public var limits: StreamLimits { StreamLimits(inboundPerPeer: Self.inboundStreamsPerPeer) }

    /// Serves one stream until the peer has finished.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        guard var header = try await stream.readExactly(8), let size = header.readInteger(as: UInt64.self) else {
            throw StreamError(.unexpectedEnd, "the peer finished before it said how much to send")
        }
        while try await stream.read() != nil {}
        try await stream.writeZeros(size)
    }
}

extension PeerStream {
    /// What perf sends, in pieces of this size: two of them fill a stream's outbound buffer.
    static let perfPiece = ByteBuffer(repeating: 0, count: 128 * 1_024)

    /// Writes `count` bytes of no meaning.
    ///
    /// - Parameter progress: is told how many bytes have been handed over so far.
    func writeZeros(_ count: UInt64, progress: (UInt64) -> Void = { _ in }) async throws(StreamError) {
        var left = count
        while left > 0 {
            var piece = Self.perfPiece
            if left < UInt64(piece.readableBytes), let size = Int(exactly: left), let part = piece.readSlice(length: size) { piece = part }
            try await self.write(piece)
            left -= UInt64(piece.readableBytes)
            progress(count - left)
        }
    }
}
