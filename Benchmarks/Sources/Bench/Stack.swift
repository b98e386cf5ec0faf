import ArgumentParser
import P2P

/// What the hosts of a measurement speak.
struct Stack: ParsableArguments, Sendable {
    @Option(help: "The secure channel: noise or tls.") var security = "noise"

    func validate() throws {
        guard ["noise", "tls"].contains(self.security) else { throw ValidationError("--security is noise or tls.") }
    }

    @Flag(help: "QUIC, in the place of TCP, secure channel and muxer.") var quic = false
    @Flag(help: "WebSocket over TCP.") var ws = false

    var listenAddress: String {
        self.quic ? "/ip4/127.0.0.1/udp/0/quic-v1" : self.ws ? "/ip4/127.0.0.1/tcp/0/ws" : "/ip4/127.0.0.1/tcp/0"
    }

    /// For the names of figures: nothing for what everything else is compared with.
    var label: String {
        if self.quic { return "quic: " }
        let parts = (self.ws ? ["ws"] : []) + (self.security == "noise" ? [] : [self.security])
        return parts.isEmpty ? "" : "\(parts.joined(separator: ", ")): "
    }
}
