import NIOCore
import NIOPosix

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One option of a socket.
struct SocketSetting {
    let option: ChannelOptions.Types.SocketOption
    let value: Int

    init(_ level: NIOBSDSocket.OptionLevel, _ name: NIOBSDSocket.Option, _ value: Int) {
        self.option = ChannelOptions.Types.SocketOption(level: level, name: name)
        self.value = value
    }
}

extension TCPOptions {
    /// What the kernel is told of a connection.
    var settings: [SocketSetting] {
        var settings = [SocketSetting(.tcp, .tcp_nodelay, self.noDelay ? 1 : 0)]
        if let delay = self.keepAliveDelay {
            let seconds = Int(min(delay.components.seconds, 32_767))
            settings.append(SocketSetting(.socket, .so_keepalive, 1))
            #if canImport(Darwin)
                settings.append(SocketSetting(.tcp, .init(rawValue: TCP_KEEPALIVE), seconds))
            #else
                settings.append(SocketSetting(.tcp, .init(rawValue: TCP_KEEPIDLE), seconds))
            #endif
            settings.append(SocketSetting(.tcp, .init(rawValue: TCP_KEEPINTVL), seconds))
        }
        if let size = self.sendBufferSize { settings.append(SocketSetting(.socket, .so_sndbuf, size)) }
        if let size = self.receiveBufferSize { settings.append(SocketSetting(.socket, .so_rcvbuf, size)) }
        return settings
    }
}

extension ClientBootstrap {
    func applying(_ options: TCPOptions) -> ClientBootstrap {
        options.settings.reduce(
            self.channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.maxMessagesPerRead, value: 1)
        ) { $0.channelOption($1.option, value: $1.value) }
    }
}

extension ServerBootstrap {
    func applying(_ options: TCPOptions) -> ServerBootstrap {
        options.settings.reduce(
            self.childChannelOption(.allowRemoteHalfClosure, value: true)
                .childChannelOption(.maxMessagesPerRead, value: 1)
        ) { $0.childChannelOption($1.option, value: $1.value) }
    }
}
