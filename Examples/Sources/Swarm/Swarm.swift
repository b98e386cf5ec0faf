import ArgumentParser

/// The command line.
@main
struct Swarm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Share a file with many: whoever has a part of it gives it to the others, and nobody has to stay.",
        subcommands: [Share.self, Fetch.self])
}
