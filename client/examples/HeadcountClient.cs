// A player's client for Unity and other .NET: one file, no package. It speaks HTTP only: reports, then heartbeats at the pace that
// the service sets. Put it anywhere under Assets/ (Unity 2021 or newer; not for WebGL, where there is no HttpClient).
//
//     var headcount = new HeadcountClient(new[] { "https://headcount.example" }, profileId, () => login.TokenAsync());
//     headcount.Failed += error => Debug.LogWarning(error.Message);
//     headcount.Play("CA", "GM01");      // from now on, until the next Play or Leave
//     headcount.Leave();                 // OnApplicationQuit: await headcount.LeaveAsync(TimeSpan.FromSeconds(1))
//
// What was asked for last is said again and again until the service has it or refuses it for good; each failure is told to Failed.
using System;
using System.Globalization;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

public sealed class HeadcountException : Exception
{
    /// <summary>0 where there was no answer.</summary>
    public int Status { get; private set; }
    public TimeSpan RetryAfter { get; private set; }

    public HeadcountException(int status, string message, TimeSpan retryAfter, Exception cause = null) : base(message, cause)
    {
        Status = status;
        RetryAfter = retryAfter;
    }

    /// <summary>Asking the same again would be refused again.</summary>
    public bool IsFinal
    {
        get { return Status >= 400 && Status < 500 && Status != 401 && Status != 408 && Status != 429; }
    }
}

public enum HeadcountState { Away, Asking, Here, Superseded }

public sealed class HeadcountClient : IDisposable
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);
    private const double RenewMs = 30000, RenewMinMs = 250, RenewMaxMs = 600000;
    private const double RetryBaseMs = 1000, RetryMaxMs = 60000;
    private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private sealed class Wish
    {
        public string Region, Gamemode; // null: to be nowhere
        public long Seq;
        public bool IsKnown;
        public readonly TaskCompletionSource<bool> Settled = new TaskCompletionSource<bool>();
    }

    private readonly HttpClient http = new HttpClient { Timeout = AnswerTime };
    private readonly string[] urls;
    private readonly string profileId;
    private readonly Func<Task<string>> token;
    private readonly Random random = new Random();
    private readonly object gate = new object();
    private CancellationTokenSource changed = new CancellationTokenSource();
    private Wish wish, standing;
    private long lastSeq;
    private int urlIndex;
    private bool isRunning, isDisposed;

    /// <summary>Each failure; what may pass is tried again. Comes from a thread of the pool.</summary>
    public event Action<HeadcountException> Failed;

    public HeadcountState State { get; private set; }

    public HeadcountClient(string[] urls, Guid profileId, Func<Task<string>> token = null)
    {
        if (urls == null || urls.Length == 0) throw new ArgumentException("urls must name at least one address of the service");
        this.urls = Array.ConvertAll(urls, url => url.TrimEnd('/'));
        this.profileId = profileId.ToString("D");
        this.token = token;
    }

    /// <summary>The player is now in this mode, in this region, until the next Play or Leave.</summary>
    public void Play(string region, string gamemode)
    {
        Take(new Wish { Region = region, Gamemode = gamemode });
    }

    public void Leave()
    {
        Take(new Wish());
    }

    /// <summary>Leaves, and waits for the service to know it, for so long at most.</summary>
    public Task LeaveAsync(TimeSpan timeout)
    {
        var mine = new Wish();
        Take(mine);
        return Task.WhenAny(mine.Settled.Task, Task.Delay(timeout));
    }

    /// <summary>Ends everything, without a goodbye.</summary>
    public void Dispose()
    {
        CancellationTokenSource outdated;
        lock (gate)
        {
            isDisposed = true;
            outdated = changed;
        }
        outdated.Cancel();
        http.Dispose();
    }

    private void Take(Wish next)
    {
        CancellationTokenSource outdated;
        lock (gate)
        {
            if (isDisposed) throw new ObjectDisposedException("HeadcountClient");
            // Devices of one player share a clock: whoever said something later wins.
            next.Seq = lastSeq = Math.Max(lastSeq + 1, (long)(DateTime.UtcNow - Epoch).TotalSeconds);
            wish = next;
            State = HeadcountState.Asking;
            outdated = changed;
            changed = new CancellationTokenSource();
            if (!isRunning) Task.Run((Func<Task>)RunAsync);
            isRunning = true;
        }
        // What is being said is outdated. Whoever waits for it goes on in a thread of the pool, not in the game's.
        Task.Run((Action)outdated.Cancel);
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (true)
        {
            Wish mine;
            CancellationToken outdated;
            lock (gate)
            {
                mine = wish;
                outdated = changed.Token;
                if (isDisposed || mine == null || State == HeadcountState.Superseded || (mine.IsKnown && mine.Region == null))
                {
                    isRunning = false;
                    return;
                }
            }
            double waitMs;
            try
            {
                waitMs = mine.IsKnown ? await RenewAsync(mine, outdated).ConfigureAwait(false) : await SayAsync(mine, outdated).ConfigureAwait(false);
                failures = 0;
            }
            catch (HeadcountException error)
            {
                if (outdated.IsCancellationRequested) continue;
                var failed = Failed;
                if (failed != null) failed(error);
                if (error.IsFinal && !mine.IsKnown)
                {
                    GoBack(mine);
                    continue;
                }
                waitMs = Pause(failures++, error.RetryAfter.TotalMilliseconds);
            }
            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(waitMs), outdated).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                failures = 0;
            }
        }
    }

    /// <summary>Refused for good: what stood before stands.</summary>
    private void GoBack(Wish from)
    {
        lock (gate)
        {
            if (wish != from) return;
            wish = standing;
            State = standing != null && standing.Region != null ? HeadcountState.Here : HeadcountState.Away;
        }
        from.Settled.TrySetResult(false);
    }

    private async Task<double> SayAsync(Wish mine, CancellationToken outdated)
    {
        if (mine.Region == null)
        {
            await SendAsync(HttpMethod.Delete, "/gamemode?seq=" + mine.Seq, null, outdated).ConfigureAwait(false);
            Settle(mine, HeadcountState.Away);
            return 0;
        }
        var json = "{\"region\":\"" + Escape(mine.Region) + "\",\"gamemode\":\"" + Escape(mine.Gamemode) + "\",\"seq\":" + mine.Seq + "}";
        var answer = await SendAsync(HttpMethod.Post, "/gamemode", json, outdated).ConfigureAwait(false);
        var pace = Pace(Field(answer.Body, "renewInMs"));
        if (Field(answer.Body, "changed") == null) throw new HeadcountException(0, "not an answer of the service", TimeSpan.Zero);
        // With an older seq than another device's, the answer shows what stands instead.
        var stands = Field(answer.Body, "gamemode") == mine.Gamemode
            && (mine.Region.Contains("-") || Field(answer.Body, "region") == mine.Region.ToUpperInvariant());
        Settle(mine, stands ? HeadcountState.Here : HeadcountState.Superseded);
        if (answer.Status == 202) Anew(mine); // counted, and not stored yet: said again soon
        return pace;
    }

    private async Task<double> RenewAsync(Wish mine, CancellationToken outdated)
    {
        try
        {
            return Pace((await SendAsync(HttpMethod.Put, "/heartbeat", null, outdated).ConfigureAwait(false)).RenewInMs);
        }
        catch (HeadcountException error)
        {
            if (error.Status != 404) throw;
            Anew(mine); // it lost the player
            return 0;
        }
    }

    private void Settle(Wish mine, HeadcountState state)
    {
        lock (gate)
        {
            mine.IsKnown = true;
            if (wish == mine) State = state;
            if (wish == mine && state != HeadcountState.Superseded) standing = mine;
        }
        mine.Settled.TrySetResult(true); // whoever waits for it may go on at once, and finds the state as it is now
    }

    /// <summary>The service must take the wish as a new one; a later one of another device still wins.</summary>
    private void Anew(Wish mine)
    {
        lock (gate)
        {
            mine.IsKnown = false;
            mine.Seq++;
            lastSeq = Math.Max(lastSeq, mine.Seq);
        }
    }

    private struct Answer
    {
        public int Status;
        public string Body, RenewInMs;
    }

    private async Task<Answer> SendAsync(HttpMethod method, string path, string json, CancellationToken outdated)
    {
        var url = urls[urlIndex];
        try
        {
            using (var request = new HttpRequestMessage(method, url + "/v1/profiles/" + profileId + path))
            {
                var shown = token == null ? null : await token().ConfigureAwait(false);
                if (shown != null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", shown);
                if (json != null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
                using (var response = await http.SendAsync(request, outdated).ConfigureAwait(false))
                {
                    var status = (int)response.StatusCode;
                    var body = response.Content == null ? "" : await response.Content.ReadAsStringAsync().ConfigureAwait(false);
                    if (status < 200 || status > 299) throw Refusal(status, body, response);
                    System.Collections.Generic.IEnumerable<string> pace;
                    var renewInMs = response.Headers.TryGetValues("Renew-In-Ms", out pace) ? string.Join("", pace) : null;
                    return new Answer { Status = status, Body = body, RenewInMs = renewInMs };
                }
            }
        }
        catch (HeadcountException error)
        {
            if (error.Status == 0 || error.Status >= 500) urlIndex = (Array.IndexOf(urls, url) + 1) % urls.Length;
            throw;
        }
        catch (Exception cause)
        {
            if (!outdated.IsCancellationRequested) urlIndex = (Array.IndexOf(urls, url) + 1) % urls.Length;
            throw new HeadcountException(0, url + " does not answer: " + cause.Message, TimeSpan.Zero, cause);
        }
    }

    /// <summary>A refusal by the service says its status in the body too; whatever does not was said by somebody in between.</summary>
    private static HeadcountException Refusal(int status, string body, HttpResponseMessage response)
    {
        var after = response.Headers.RetryAfter;
        var retryAfter = after != null && after.Delta.HasValue ? after.Delta.Value : TimeSpan.Zero;
        if (Field(body, "code") != status.ToString(CultureInfo.InvariantCulture))
            return new HeadcountException(0, "status " + status + ", not said by the service", retryAfter);
        return new HeadcountException(status, Field(body, "message") ?? "", retryAfter);
    }

    /// <summary>Full jitter: evenly between nothing and a bound that doubles.</summary>
    private double Pause(int failures, double leastMs)
    {
        return leastMs + random.NextDouble() * Math.Min(RetryMaxMs, RetryBaseMs * Math.Pow(2, Math.Min(failures, 10)));
    }

    private static double Pace(string told)
    {
        double ms;
        var isTold = double.TryParse(told, NumberStyles.Float, CultureInfo.InvariantCulture, out ms);
        return Math.Min(RenewMaxMs, Math.Max(RenewMinMs, isTold ? ms : RenewMs));
    }

    /// <summary>A field of a flat JSON object, as text. The service's answers here are no deeper.</summary>
    private static string Field(string json, string name)
    {
        var match = Regex.Match(json ?? "", "\"" + name + "\"\\s*:\\s*(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([^\\s,}\"]+))");
        return !match.Success ? null : match.Groups[1].Success ? match.Groups[1].Value : match.Groups[2].Value;
    }

    private static string Escape(string text)
    {
        return text.Replace("\\", "\\\\").Replace("\"", "\\\"");
    }
}
