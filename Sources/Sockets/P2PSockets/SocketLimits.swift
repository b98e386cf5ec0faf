/// What sockets hold at most, and for how long.
public enum SocketLimits {
    /// Bytes handed to the kernel (or to TLS) and not yet taken by it, a connection; what is behind waits with the tasks that write it.
    public static let writeHighMark = 64 * 1_024
    /// Bytes read ahead of `read()`, a connection: nothing is read from the kernel while there are so many. One reading more is at most as much
    /// again; where the other side has finished, what the kernel holds (`receiveBufferSize`) is taken at once.
    public static let readAhead = 64 * 1_024
    /// Connections that are accepted before somebody asks for them.
    public static let acceptAhead = 1
    /// Accepted connections whose TLS handshake is under way, a listener.
    public static let openHandshakes = 32
    /// The longest datagram, in bytes.
    public static let longestMessage = 65_507
    /// Datagrams that wait for `receive()`, a socket; the oldest make room.
    public static let waitingMessages = 64
    /// Bytes of datagrams that wait for `receive()`, a socket; the oldest make room.
    public static let waitingMessageBytes = 256 * 1_024
    /// Senders that a bound socket may answer without being granted it, the last that were heard.
    public static let rememberedSenders = 1_024
    /// Addresses of one name that are tried.
    public static let addressesOfAName = 32
    /// Names that are looked up at a time, in the process.
    public static let lookups = 8
    /// How long an address has before the next one is tried beside it (RFC 8305, section 5).
    public static let stagger = Duration.milliseconds(250)
    /// The pause after the system refused to accept for want of descriptors or memory.
    public static let acceptPause = Duration.milliseconds(100)
    /// Pieces of a connection's bytes that are smaller than this are joined while they wait.
    static let joinBelow = 16 * 1_024
}
