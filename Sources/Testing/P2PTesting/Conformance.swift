import NIOCore
import P2PCore

/// What every suite is made of: cases that pass, or throw what is wrong.
///
/// A suite knows no test framework. With Swift Testing:
/// ```swift
/// @Test(arguments: MuxerConformance.Case.allCases)
/// func keepsTheContract(_ conformanceCase: MuxerConformance.Case) async throws {
///     try await MuxerConformance { try await myPair() }.run(conformanceCase)
/// }
/// ```
public protocol ConformanceSuite: Sendable {
    /// One demand of the contract.
    associatedtype Case: CaseIterable, Hashable, Sendable

    /// How long one case may take; far more than it needs.
    var patience: Duration { get }
    /// Checks one demand, for as long as it takes.
    func check(_ conformanceCase: Case) async throws
}

extension ConformanceSuite {
    /// Longer than any case takes on a slow machine.
    public var patience: Duration { .seconds(50) }

    /// Checks one demand of the contract.
    ///
    /// - Throws: ``ConformanceFailure``.
    public func run(_ conformanceCase: Case) async throws(ConformanceFailure) {
        do {
            let isDone = try await HostClock.system.result(by: .now() + TimeAmount(self.patience)) {
                try await self.check(conformanceCase)
                return true
            }
            if isDone == nil { throw ConformanceFailure("\(conformanceCase) was not over after \(self.patience)") }
        } catch let failure as ConformanceFailure {
            throw failure
        } catch {
            throw ConformanceFailure("\(conformanceCase) failed", cause: error)
        }
    }
}

/// Throws unless the two are equal.
func demand<Value: Equatable>(_ value: Value, is expected: Value, _ what: String) throws {
    guard value == expected else { throw ConformanceFailure("\(what): \(expected) was expected, not \(value)") }
}

/// Throws unless the condition holds.
func demand(_ condition: Bool, _ what: String) throws {
    guard condition else { throw ConformanceFailure(what) }
}

/// Throws unless the body throws an error that passes.
func demandError<Failure: CodedError>(
    _ type: Failure.Type, _ codes: [Failure.Code], _ what: String, _ body: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch let error as Failure where codes.contains(error.code) {
        return
    } catch {
        throw ConformanceFailure("\(what): one of \(codes) was expected", cause: error)
    }
    throw ConformanceFailure("\(what): one of \(codes) was expected, but it succeeded")
}
