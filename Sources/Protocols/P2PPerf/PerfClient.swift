import NIOCore
public import P2PCore
public import P2PIdentity

/// The asking side of perf: uploads, downloads, and says how long each took (perf spec, "Protocol").
public struct PerfClient: Sendable {
    private let streams: any StreamOpening

    /// A client that opens a stream for each measurement.
    public init(opening streams: any StreamOpening) {
        self.streams = streams
    }

    /// Measures over a stream of its own.
    ///
    /// - Parameters:
    ///   - upload: bytes to send.
    ///   - download: bytes to ask for.
    ///   - progress: is called for each piece that was sent or received, on the measuring task; it should return at once.
    /// - Throws: ``StreamError/Code/unexpectedEnd`` or ``StreamError/Code/malformed`` when the peer sends fewer or more bytes than it was
    ///   asked for, or what opening or using the stream throws.
    public func measure(
        _ peer: PeerID, upload: UInt64, download: UInt64, progress: @Sendable (PerfProgress) -> Void = { _ in }
    ) async throws(StreamError) -> PerfMeasurement {
        let stream = try await self.streams.openStream(to: peer, protocols: [PerfProtocol.id])
        return try await Self.measure(over: stream, upload: upload, download: download, progress: progress)
    }

    /// Measures over a stream that was opened for perf.
    public static func measure(
        over stream: PeerStream, upload: UInt64, download: UInt64, progress: @Sendable (PerfProgress) -> Void = { _ in }
    ) async throws(StreamError) -> PerfMeasurement {
        let started = ContinuousClock.now
        try await stream.write(ByteBuffer(integer: download))
        try await stream.writeZeros(upload) { sent in progress(PerfProgress(uploadedBytes: sent, downloadedBytes: 0)) }
        try await stream.finish()

        var received: UInt64 = 0
        var piece = try await stream.read()
        let answered = upload > 0 ? ContinuousClock.now : started
        while let bytes = piece {
            received += UInt64(bytes.readableBytes)
            guard received <= download else {
                stream.reset(.protocolViolation)
                throw StreamError(.malformed, "the peer was asked for \(download) bytes and sent more")
            }
            progress(PerfProgress(uploadedBytes: upload, downloadedBytes: received))
            piece = try await stream.read()
        }
        guard received == download else {
            throw StreamError(.unexpectedEnd, "the peer finished after \(received) of \(download) bytes")
        }
        return PerfMeasurement(
            uploadBytes: upload, downloadBytes: download, uploadTime: answered - started, downloadTime: .now - answered)
    }
}
