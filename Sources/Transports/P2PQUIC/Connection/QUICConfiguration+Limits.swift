import P2PMuxing

extension QUICConfiguration {
    /// What a connection enforces on its own; the library knows of stream ids.
    var muxerLimits: MuxerLimits {
        MuxerLimits(
            streams: self.maximumStreams, backlog: self.maximumInboundStreams,
            creditThreshold: Int(clamping: self.initialStreamWindow / 4), creditsToTheEnd: true)
    }
}
