/// Whom a dialer believes when a server of the web shows its certificate: below a WebSocket, or in front of a proxy.
public enum ServerTrust: Sendable, Hashable {
    /// The authorities that the system knows.
    case systemRoots
    /// The certificates in a PEM file, and no others.
    case authorities(pemFile: String)
    /// Anybody: nothing says who is there but what is said inside, and whoever sits in between reads that.
    case anybody
}
