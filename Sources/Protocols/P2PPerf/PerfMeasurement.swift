/// How long it took to send and receive so many bytes over one stream.
public struct PerfMeasurement: Sendable, Hashable {
    /// Bytes that the peer was sent.
    public let uploadBytes: UInt64
    /// Bytes that the peer sent.
    public let downloadBytes: UInt64
    /// From the first byte of the upload until the peer showed, by its first byte or its end, that it had read the last; zero without an upload.
    public let uploadTime: Duration
    /// From then on (without an upload, from the request on) until the peer's end.
    public let downloadTime: Duration

    /// Makes a measurement.
    public init(uploadBytes: UInt64, downloadBytes: UInt64, uploadTime: Duration, downloadTime: Duration) {
        self.uploadBytes = uploadBytes
        self.downloadBytes = downloadBytes
        self.uploadTime = uploadTime
        self.downloadTime = downloadTime
    }
}

/// How far a measurement has come.
public struct PerfProgress: Sendable, Hashable {
    /// Bytes handed over for sending so far.
    public let uploadedBytes: UInt64
    /// Bytes received so far.
    public let downloadedBytes: UInt64

    /// Makes a report.
    public init(uploadedBytes: UInt64, downloadedBytes: UInt64) {
        self.uploadedBytes = uploadedBytes
        self.downloadedBytes = downloadedBytes
    }
}
