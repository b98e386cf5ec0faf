/// One limit of a host, and how near it is: what an operator reads.
public struct LimitUse: Sendable, Hashable {
    /// What is counted.
    public enum Unit: String, Sendable, Hashable {
        /// Things.
        case count
        /// Bytes.
        case bytes
    }

    /// The setting's name, as ``LimitError/limit`` has it.
    public var name: String
    /// What is counted.
    public var unit: Unit
    /// Its value.
    public var limit: Int
    /// What counts for it now. For a limit for each peer or address, of the one that has most.
    public var use: Int
    /// The most that ``use`` has been.
    public var peak: Int
    /// How often something was refused, or had to make room, because of it.
    public var refusals: Int

    /// Takes every figure.
    public init(name: String, unit: Unit = .count, limit: Int, use: Int, peak: Int, refusals: Int) {
        self.name = name
        self.unit = unit
        self.limit = limit
        self.use = use
        self.peak = peak
        self.refusals = refusals
    }
}
