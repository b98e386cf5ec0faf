import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Channel {
    /// How much the system takes ahead of what it has sent.
    private static var sentAhead: SocketOptionValue { 64 * 1_024 }

    /// Has ``unsentBytes`` follow what the peer takes.
    ///
    /// By itself the system takes more only when a third of its buffer is free again, which may be megabytes.
    func followSending() async {
        // A channel that is no TCP has no such buffer.
        try? await self.setOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_NOTSENT_LOWAT)), value: Self.sentAhead).get()
    }

    /// The bytes that wait to be sent. On the event loop.
    var unsentBytes: Int { (try? self.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
}
