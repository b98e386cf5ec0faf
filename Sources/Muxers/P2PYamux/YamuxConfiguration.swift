import NIOCore

/// The limits and times of a yamux connection.
public struct YamuxConfiguration: Sendable {
    /// The window every stream begins with, in bytes; the spec fixes it ("Flow Control").
    public static let initialWindow: UInt32 = 256 * 1024

    /// Streams that may exist at once on one connection, both directions together.
    public var maximumStreams = 512
    /// Streams of either side that may wait for their acknowledgement; the peer's further ones are reset, ours wait.
    public var maximumBacklog = 256
    /// Pings of the peer that may wait for us to be able to answer.
    public var maximumPendingPongs = 32
    /// How far the receive window of one stream may grow, in bytes.
    public var maximumWindow: UInt32 = 16 * 1024 * 1024
    /// How far all receive windows of a connection together may grow beyond ``initialWindow`` each, in bytes.
    public var maximumWindowGrowth: UInt64 = 64 * 1024 * 1024
    /// The longest data frame to accept, in bytes. The window bounds a frame too, but not one for a stream that is gone.
    public var maximumFrameLength: UInt32 = 16 * 1024 * 1024
    /// The longest data frame to send, in bytes, while other streams wait for their turn.
    public var sharedQuantum = 16 * 1024
    /// Resets, stream errors and frames without effect to put up with, each, in one ``offencePeriod``.
    public var maximumOffences = 200
    /// See ``maximumOffences``.
    public var offencePeriod: Duration = .seconds(30)
    /// After so long a silence the peer is asked whether it lives; nil never asks.
    public var keepAliveInterval: Duration? = .seconds(30)
    /// A peer that stays silent for so long after it was asked is dead.
    public var keepAliveTimeout: Duration = .seconds(15)
    /// How long a stream that this side has finished and no longer reads may wait for the peer's half-close; then it is reset.
    public var lingerTimeout: Duration = .seconds(60)

    /// The defaults.
    public init() {}

    /// For machines that are always on: the defaults.
    public static let server = YamuxConfiguration()

    /// For devices on a battery: asks whether the peer lives every two minutes only, so that a radio may sleep, and lets windows grow
    /// a quarter as far.
    public static let mobile: YamuxConfiguration = {
        var configuration = YamuxConfiguration()
        configuration.keepAliveInterval = .seconds(120)
        configuration.keepAliveTimeout = .seconds(30)
        configuration.maximumWindow = 4 * 1024 * 1024
        configuration.maximumWindowGrowth = 16 * 1024 * 1024
        return configuration
    }()
}
