import ArgumentParser
import P2P

/// What the hosts of a measurement speak.
struct Stack: ParsableArguments, Sendable {
    @Option(help: "The secure channel: noise or tls.") var security = "noise"

    @Flag(help: "QUIC, in the place of TCP, secure channel and muxer.") var quic = false

    var listenAddress: String { self.quic ? "/ip4/127.0.0.1/udp/0/quic-v1" : "/ip4/127.0.0.1/tcp/0" }

    /// For the names of figures: nothing for what everything else is compared with.
    var label: String { self.quic ? "quic: " : self.security == "noise" ? "" : "\(self.security): " }
}
