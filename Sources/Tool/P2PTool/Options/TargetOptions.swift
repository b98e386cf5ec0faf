import ArgumentParser
import P2PMultiaddr

/// Whom to connect to.
struct TargetOptions: ParsableArguments {
    @Argument(help: "Where the peer is and who it must be, such as /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo…", transform: Self.parse)
    var address: Multiaddr

    @Flag(help: "Take whoever answers, when the address has no /p2p part. Nothing then protects from an impostor.")
    var anyPeer = false

    @OptionGroup var meeting: MeetingOptions

    @Option(
        help: ArgumentHelp(
            "Where to listen meanwhile; repeat it for several. (default: with --bootstrap, as a daemon)", valueName: "multiaddr"),
        transform: Self.parse)
    var listen: [Multiaddr] = []

    static func parse(_ text: String) throws -> Multiaddr {
        do throws(MultiaddrError) {
            return try Multiaddr(text)
        } catch {
            throw ValidationError(error.description)
        }
    }
}
