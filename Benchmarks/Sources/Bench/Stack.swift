import ArgumentParser
import P2P

/// What the hosts of a measurement speak.
struct Stack: ParsableArguments, Sendable {
    @Option(help: "The secure channel: noise or tls.") var security = "noise"

    /// For the names of figures: nothing for what everything else is compared with.
    var label: String { self.security == "noise" ? "" : "\(self.security): " }
}
