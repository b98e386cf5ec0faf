public import NIOCore

/// What can be set on a ``StreamChannel``.
struct StreamChannelOptions {
    var autoRead = true
    var allowRemoteHalfClosure = false
    var maxMessagesPerRead: UInt = 16
    var waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 32 * 1_024, high: 64 * 1_024)
}

extension StreamChannel {
    /// The same options, for callers on the event loop.
    public var syncOptions: (any NIOSynchronousChannelOptions)? { SynchronousOptions(channel: self) }

    /// Sets an option, on the event loop.
    public func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        if self.eventLoop.inEventLoop {
            return self.eventLoop.makeCompletedFuture { try self.setOption0(option, value: value) }
        }
        return self.eventLoop.submit { try self.setOption0(option, value: value) }
    }

    /// Reads an option, on the event loop.
    public func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        if self.eventLoop.inEventLoop {
            return self.eventLoop.makeCompletedFuture { try self.getOption0(option) }
        }
        return self.eventLoop.submit { try self.getOption0(option) }
    }

    private struct SynchronousOptions: NIOSynchronousChannelOptions {
        let channel: StreamChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            try self.channel.setOption0(option, value: value)
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            try self.channel.getOption0(option)
        }
    }

    private func setOption0<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
        self.eventLoop.preconditionInEventLoop()
        guard self.lifecycle != .closed else { throw ChannelError.ioOnClosedChannel }
        switch (option, value) {
        case (is ChannelOptions.Types.AutoReadOption, let value as Bool):
            let begins = value && !self.options.autoRead
            self.options.autoRead = value
            if begins, self.lifecycle == .active { self.pipeline.read() }
        case (is ChannelOptions.Types.AllowRemoteHalfClosureOption, let value as Bool):
            self.options.allowRemoteHalfClosure = value
        case (is ChannelOptions.Types.MaxMessagesPerReadOption, let value as UInt):
            self.options.maxMessagesPerRead = max(1, value)
        case (is ChannelOptions.Types.WriteBufferWaterMarkOption, let value as ChannelOptions.Types.WriteBufferWaterMark):
            self.options.waterMark = value
        default:
            throw ChannelError.operationUnsupported
        }
    }

    private func getOption0<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        self.eventLoop.preconditionInEventLoop()
        let value: Any? =
            switch option {
            case is ChannelOptions.Types.AutoReadOption: self.options.autoRead
            case is ChannelOptions.Types.AllowRemoteHalfClosureOption: self.options.allowRemoteHalfClosure
            case is ChannelOptions.Types.MaxMessagesPerReadOption: self.options.maxMessagesPerRead
            case is ChannelOptions.Types.WriteBufferWaterMarkOption: self.options.waterMark
            case is ChannelOptions.Types.BufferedWritableBytesOption: self.writes.byteCount
            default: nil
            }
        guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
        return value
    }
}
