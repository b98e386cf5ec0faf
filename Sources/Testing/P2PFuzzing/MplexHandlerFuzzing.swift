import NIOCore
import P2PCore
import P2PMplex

/// The mplex channel handler, with real streams and bytes.
enum MplexHandlerFuzzing {
    /// Two honest sides, whose readers are never too slow.
    static func pair(_ bytes: [UInt8]) {
        var configuration = MplexConfiguration()
        configuration.maximumStreams = 8
        configuration.maximumBacklog = 8
        configuration.maximumOffences = .max
        let muxer = Mplex(configuration: configuration)
        MuxerPairFuzzing.run(
            bytes, MuxerChannelUnderTest(.dialer, muxer), MuxerChannelUnderTest(.listener, muxer), name: { $0 },
            nameOfOther: { number in number == 0 ? 0 : number ^ 0b10 })
    }
}
